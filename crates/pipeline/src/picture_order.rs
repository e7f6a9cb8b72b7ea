//! When pictures are decoded and shown, where their stamps do not say both.

use std::collections::VecDeque;

use h264::{
    DecRefPicMarking, MemoryManagementControl, NalType, ParsedSets, PicOrderCounter, SliceHeader,
    SliceType, Sps, nal_type,
};
use media::{Duration, NalUnits, Timestamp};

use crate::access_units::CodedPicture;

/// Pictures that H.264 lets come before one that is shown earlier.
const MAX_REORDERED: i64 = 16;

/// As much as pictures are shown after they are decoded; a longer time is that of a stream that
/// stood still, and of no order.
const MOST_EARLY: Duration = Duration::from_secs(10);

/// A picture, and when it is decoded and shown.
#[derive(Debug)]
pub(crate) struct OrderedPicture {
    pub(crate) picture: CodedPicture,
    /// Decoding time, but for what all pictures are decoded earlier.
    pub(crate) at: Timestamp,
    /// From there to display; may be negative.
    pub(crate) composition_time: Duration,
}

/// Takes the order of pictures from their picture order counts where their stamps contradict it.
///
/// FLV stamps a picture with its decoding time and says by the composition time when it is shown.
/// Some encoders of B pictures leave the composition time at 0: of these some stamp with the
/// presentation time, so that stamps go back, and some count up, so that B pictures come late.
/// Which it is shows with the first B picture; the picture before it waits for that, and no other
/// does.
///
/// After every [`push`](Self::push) and [`flush`](Self::flush), drain [`poll`](Self::poll) to None.
#[derive(Debug, Default)]
pub(crate) struct PictureOrder {
    stamps: Stamps,
    counter: PicOrderCounter,
    base: Option<Base>,
    /// By how much the count grows from one picture to the next in display order; 2 before it has
    /// been measured.
    step: Option<i64>,
    /// One that seems to be shown after some that come later.
    waiting: Option<Counted>,
    /// When the newest picture was stamped.
    newest: Option<Timestamp>,
    /// Decoding is at least this much earlier than the first stamps say.
    early: Duration,
    ready: VecDeque<OrderedPicture>,
}

/// What the stamps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stamps {
    /// As ordered as they have to be up to now, and without composition times.
    #[default]
    Open,
    /// Decoding times, with composition times.
    Ordinary,
    /// Presentation times.
    Presentation,
    /// Decoding times, and nobody says when pictures are shown.
    Decoding,
}

/// The picture that the others are counted from: an IDR, or one that is like it.
#[derive(Clone, Copy, Debug)]
struct Base {
    at: Timestamp,
    order: i64,
    /// Pictures decoded after it.
    decoded: i64,
    highest: i64,
}

#[derive(Debug)]
struct Counted {
    picture: CodedPicture,
    order: i64,
    /// Pictures decoded since the base.
    decoded: i64,
}

impl PictureOrder {
    /// Other parameters: what the stamps are is open again.
    pub(crate) fn restart(&mut self) {
        self.flush();
        *self =
            Self { ready: std::mem::take(&mut self.ready), early: self.early, ..Self::default() };
    }

    /// How much earlier than stamped pictures are decoded at least.
    pub(crate) fn early(&self) -> Duration {
        self.early
    }

    /// The next picture in decoding order.
    pub(crate) fn poll(&mut self) -> Option<OrderedPicture> {
        self.ready.pop_front()
    }

    /// What the picture takes that waits.
    pub(crate) fn held_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.picture.held_bytes())
    }

    /// No picture comes that the one that waits could depend on.
    pub(crate) fn flush(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.pass(waiting.picture);
        }
    }

    /// Takes the next picture in decoding order; `interval` is the time from one to the next.
    pub(crate) fn push(
        &mut self,
        picture: CodedPicture,
        sps: &Sps,
        sets: &ParsedSets,
        interval: Duration,
    ) {
        let has_composition_time = picture.stamp.composition_time != Duration::ZERO;
        if has_composition_time || self.stamps == Stamps::Ordinary || sps.reorder_depth() == 0 {
            if has_composition_time {
                self.stamps = Stamps::Ordinary;
            }
            self.flush();
            return self.pass(picture);
        }
        let Some(header) = header(&picture.nal_units, sets) else {
            self.flush();
            self.base = None;
            return self.pass(picture);
        };
        let order = self.count(sps, &header);
        let Some(base) = self.base.as_mut().filter(|_| !header.idr) else {
            self.begin(picture.stamp.at, order);
            self.newest = Some(picture.stamp.at);
            self.flush();
            return self.pass(picture);
        };
        base.decoded += 1;
        let is_back = order < base.highest && header.slice_type == SliceType::B;
        let is_far_ahead = order > base.highest + 2;
        base.highest = base.highest.max(order);
        let picture = Counted { picture, order, decoded: base.decoded };
        let at = picture.picture.stamp.at;
        match self.stamps {
            Stamps::Open if is_back => self.contradicted(picture, sps, interval),
            Stamps::Open => {
                self.flush();
                if is_far_ahead {
                    self.waiting = Some(picture);
                } else {
                    self.pass(picture.picture);
                }
            }
            _ => self.place(picture, interval),
        }
        self.newest = Some(at);
        if resets(&header) {
            self.base = None;
        }
    }

    /// As it is stamped.
    fn pass(&mut self, picture: CodedPicture) {
        let (at, composition_time) = (picture.stamp.at, picture.stamp.composition_time);
        self.ready.push_back(OrderedPicture { picture, at, composition_time });
    }

    fn count(&mut self, sps: &Sps, header: &SliceHeader) -> i64 {
        let [top, bottom] = self.counter.count(sps, header);
        let order = top.min(bottom);
        if resets(header) {
            let top = (!header.bottom_field_flag).then_some(top.saturating_sub(order));
            self.counter.finish_reset(top);
        } else {
            self.counter.finish(header);
        }
        order.into()
    }

    /// Counts from this picture on. How many there were since the one before says how large the
    /// steps are.
    fn begin(&mut self, at: Timestamp, order: i64) {
        if let Some(Base { order, decoded, highest, .. }) = self.base
            && decoded > 0
            && (highest - order) % decoded == 0
            && highest > order
        {
            self.step = Some((highest - order) / decoded);
        }
        self.base = Some(Base { at, order, decoded: 0, highest: order });
    }

    /// A B picture has come after one that is shown later, and nothing was said of it.
    fn contradicted(&mut self, picture: Counted, sps: &Sps, interval: Duration) {
        let goes_back = self.newest.is_some_and(|newest| picture.picture.stamp.at < newest);
        self.stamps = if goes_back { Stamps::Presentation } else { Stamps::Decoding };
        let from_base = picture.order - self.base.map_or(0, |base| base.order);
        self.step = self.step.or_else(|| (from_base % 2 != 0).then_some(1));
        let waiting = self.waiting.take();
        let depth = match (sps.max_num_reorder_frames, &waiting) {
            (Some(depth @ 1..), _) => i64::from(depth),
            // Half of the pictures between two, then half of the rest, and so on.
            (_, Some(it)) => {
                (self.shown(it) - it.decoded + 1).clamp(2, MAX_REORDERED).ilog2().into()
            }
            _ => 1,
        };
        let interval_now = self.interval(waiting.as_ref().unwrap_or(&picture), interval);
        self.early = self.early.max(times(interval_now, depth).min(MOST_EARLY));
        if let Some(waiting) = waiting {
            self.place(waiting, interval);
        }
        // Where none has waited the one before was shown too early; from here on it is right.
        self.place(picture, interval);
    }

    /// Gives a picture the time of its place in decoding order, and in display order.
    fn place(&mut self, picture: Counted, interval: Duration) {
        let ahead = self.shown(&picture) - picture.decoded;
        if !(-MAX_REORDERED..=MAX_REORDERED).contains(&ahead) {
            // The counts are no order.
            self.stamps = Stamps::Ordinary;
            return self.pass(picture.picture);
        }
        let composition_time = times(self.interval(&picture, interval), ahead);
        if composition_time > MOST_EARLY || -composition_time > MOST_EARLY {
            return self.pass(picture.picture);
        }
        let at = match self.stamps {
            Stamps::Presentation => picture.picture.stamp.at - composition_time,
            _ => picture.picture.stamp.at,
        };
        self.ready.push_back(OrderedPicture { picture: picture.picture, at, composition_time });
    }

    /// Pictures shown after the base and before this one, and this one.
    fn shown(&self, picture: &Counted) -> i64 {
        let base = self.base.map_or(0, |base| base.order);
        (picture.order - base) / self.step.unwrap_or(2)
    }

    /// The time from one picture to the next: presentation times say it themselves.
    fn interval(&self, picture: &Counted, measured: Duration) -> Duration {
        let (Stamps::Presentation, Some(base)) = (self.stamps, self.base) else { return measured };
        match self.shown(picture) {
            shown @ 1.. => {
                Duration::from_ticks((picture.picture.stamp.at - base.at).ticks() / shown)
            }
            _ => measured,
        }
    }
}

fn times(interval: Duration, count: i64) -> Duration {
    Duration::from_ticks(interval.ticks().saturating_mul(count))
}

fn header(nal_units: &NalUnits, sets: &ParsedSets) -> Option<SliceHeader> {
    let slice =
        nal_units.iter().find(|it| matches!(nal_type(it), NalType::Slice | NalType::Idr))?;
    let whole = SliceHeader::parse(slice, |id| sets.of_pps(id));
    // Of one that is damaged further on the count is there still.
    whole.or_else(|_| SliceHeader::parse_start(slice, |id| sets.of_pps(id))).ok()
}

/// `memory_management_control_operation` 5: what follows is counted as behind an IDR.
fn resets(header: &SliceHeader) -> bool {
    matches!(&header.dec_ref_pic_marking, DecRefPicMarking::Adaptive(commands)
        if commands.contains(&MemoryManagementControl::Reset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_units::Stamp;

    /// x264: 320x240 with a pyramid of three B pictures, as `pts_as_timestamp.flv` of the field has
    /// it: picture order counts of six bits, two references pending at most.
    const SPS: &[u8] = b"\x67\x64\x00\x0d\xac\xd9\x41\x41\xfa\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\x20\xf1\x42\x99\x60";
    const PPS: &[u8] = b"\x68\xef\xbc\xb0";

    /// A slice at macroblock 0 by PPS 0: its header byte, `slice_type`, `frame_num` and
    /// `pic_order_cnt_lsb`.
    fn slice(header: u8, slice_type: &str, frame_num: u8, lsb: u8) -> Vec<u8> {
        let idr_pic_id = if header & 31 == 5 { "1" } else { "" };
        let bits = format!("1{slice_type}1{frame_num:04b}{idr_pic_id}{lsb:06b}");
        let bits = format!("{bits:1<64}");
        let bits = u64::from_str_radix(&bits, 2).unwrap();
        std::iter::once(header).chain(bits.to_be_bytes()).collect()
    }

    /// An IDR and two groups of P, B, b, b in decoding order, each with its place in display order.
    fn group() -> [(Vec<u8>, i64); 9] {
        const P: &str = "00110";
        const B: &str = "00111";
        [
            (slice(0x65, "0001000", 0, 0), 0),
            (slice(0x41, P, 1, 8), 4),
            (slice(0x41, B, 2, 4), 2),
            (slice(0x01, B, 3, 2), 1),
            (slice(0x01, B, 3, 6), 3),
            (slice(0x41, P, 3, 16), 8),
            (slice(0x41, B, 4, 12), 6),
            (slice(0x01, B, 5, 10), 5),
            (slice(0x01, B, 5, 14), 7),
        ]
    }

    /// What becomes of pictures stamped by their places in decoding order and display order:
    /// presentation times in ms, in decoding order, and decoding times.
    fn ordered(stamp: impl Fn(i64, i64) -> (i64, i64)) -> (Vec<i64>, Vec<i64>) {
        let sps = Sps::parse(SPS).unwrap();
        let sets = ParsedSets::new(&[SPS, PPS].into_iter().collect());
        let mut order = PictureOrder::default();
        let (mut shown, mut decoded) = (Vec::new(), Vec::new());
        for (n, (slice, place)) in (0..).zip(group()) {
            let (at, composition_time) = stamp(n, place);
            let stamp = Stamp {
                message_ms: at as u32,
                at: Timestamp::from_millis(at),
                composition_time: Duration::from_millis(composition_time),
                arrival_unix_ms: 0,
            };
            let nal_units = [&slice[..]].into_iter().collect();
            let picture = CodedPicture { nal_units, stamp, place: 0 };
            order.push(picture, &sps, &sets, Duration::from_millis(40));
            while let Some(ordered) = order.poll() {
                let pts = ordered.at + ordered.composition_time;
                shown.push(pts.ticks() / 90);
                decoded.push((ordered.at - order.early()).ticks() / 90);
            }
        }
        (shown, decoded)
    }

    const SHOWN: [i64; 9] = [0, 160, 80, 40, 120, 320, 240, 200, 280];

    #[test]
    fn case_04_pts_as_timestamp_is_decoded_before_it_is_shown() {
        let (shown, decoded) = ordered(|_, place| (place * 40, 0));
        assert_eq!(shown, SHOWN);
        assert_eq!(decoded, [0, -40, 0, 40, 80, 120, 160, 200, 240]);
    }

    #[test]
    fn case_04_stamps_that_count_up_without_composition_times_are_put_in_display_order() {
        let (shown, decoded) = ordered(|n, _| (n * 40, 0));
        assert_eq!(shown, SHOWN);
        assert_eq!(decoded, [0, -40, 0, 40, 80, 120, 160, 200, 240]);
    }

    #[test]
    fn composition_times_are_believed() {
        let (shown, _) = ordered(|n, place| (n * 40, (place - n) * 40 + 80));
        assert_eq!(shown, SHOWN.map(|ms| ms + 80));
        // Whatever the counts say.
        let (shown, _) = ordered(|n, _| (n * 40, 7));
        assert_eq!(shown, [7, 47, 87, 127, 167, 207, 247, 287, 327]);
    }
}
