//! Reads fragmented MP4 (RFC 8216 3.3; ISO/IEC 14496-12) to judge it: our own eyes, not those of a
//! writer.

use aac::AudioSpecificConfig;
use bytes::Bytes;
use h264::AvcConfig;
use media::{TICKS_PER_SECOND, Timestamp};

use crate::Limits;
use crate::audio::AudioTrack;
use crate::fault::{Faults, excerpt};
use crate::segment_facts::{Container, SegmentFacts};
use crate::time;
use crate::video::{self, AccessUnit};

/// `SampleEntry` fields of pictures and of sound before the boxes in it (14496-12 12.1.3.2,
/// 12.2.3.2).
const VISUAL_FIELDS: usize = 78;
const AUDIO_FIELDS: usize = 28;
/// `sample_is_non_sync_sample` (14496-12 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// An initialization section (`EXT-X-MAP`): what the fragments behind it need to be read.
#[derive(Clone, Debug, Default)]
pub struct Init {
    /// What is wrong with it; positions are bytes.
    pub faults: Faults,
    tracks: Vec<Track>,
}

#[derive(Clone, Debug)]
struct Track {
    id: u32,
    /// Ticks a second, not 0.
    timescale: u32,
    media: Media,
    defaults: Defaults,
}

#[derive(Clone, Debug)]
enum Media {
    Video(AvcConfig),
    Audio(AudioSpecificConfig),
    Other,
}

/// What samples have when nothing else is said: `trex` (14496-12 8.8.3), then `tfhd` (8.8.7).
#[derive(Clone, Copy, Debug, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// A sample of a fragment.
struct Sample {
    /// In ticks of the track.
    dts: i64,
    composition: i32,
    duration: u32,
    is_sync: bool,
    data: Bytes,
}

/// The samples of a track.
#[derive(Default)]
struct Collected {
    samples: Vec<Sample>,
    /// Bytes of them all: no more than the segment has, else they overlap.
    bytes: usize,
}

/// A box: where it starts, its type, its content.
struct BoxAt {
    position: usize,
    kind: [u8; 4],
    body: Bytes,
    /// Where its content starts.
    body_position: usize,
}

/// Big-endian fields, one after the other.
struct Fields(Bytes);

impl Fields {
    fn u32(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }

    /// Version and flags of a full box.
    fn version(&mut self) -> Result<(u8, u32), &'static str> {
        let word = self.u32()?;
        let [version, ..] = word.to_be_bytes();
        Ok((version, word & 0x00ff_ffff))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let array = *self.0.first_chunk::<N>().ok_or("ends in its fields")?;
        let _ = self.0.split_to(N);
        Ok(array)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), &'static str> {
        if bytes > self.0.len() {
            return Err("ends in its fields");
        }
        let _ = self.0.split_to(bytes);
        Ok(())
    }
}

/// Walks over boxes; `position` is that of the first.
fn boxes(data: &Bytes, position: usize, faults: &mut Faults) -> Vec<BoxAt> {
    let mut found = Vec::new();
    let mut at: usize = 0;
    while at < data.len() {
        let start = position.saturating_add(at);
        let Some((header_bytes, size, kind)) = box_header(data.get(at..).unwrap_or_default())
        else {
            faults.add(start, "no box where one should be");
            break;
        };
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
        let Some(end) = end.filter(|end| *end <= data.len() && size >= header_bytes as u64) else {
            let name = kind.escape_ascii();
            faults.add(
                start,
                format!(
                    "box {name} of {size} bytes where {} are left",
                    data.len().saturating_sub(at)
                ),
            );
            break;
        };
        let body_at = at.saturating_add(header_bytes);
        let body_position = position.saturating_add(body_at);
        found.push(BoxAt { position: start, kind, body: data.slice(body_at..end), body_position });
        at = end;
    }
    found
}

/// Bytes of the header, of the whole box, and its type.
fn box_header(rest: &[u8]) -> Option<(usize, u64, [u8; 4])> {
    let (&[a, b, c, d, kind @ ..], after) = rest.split_first_chunk::<8>()?;
    match u32::from_be_bytes([a, b, c, d]) {
        0 => Some((8, rest.len() as u64, kind)),
        1 => Some((16, u64::from_be_bytes(*after.first_chunk()?), kind)),
        size => Some((8, size.into(), kind)),
    }
}

fn child(parent: &BoxAt, kind: &[u8; 4], faults: &mut Faults) -> Option<BoxAt> {
    let children = boxes(&parent.body, parent.body_position, faults);
    children.into_iter().find(|found| &found.kind == kind)
}

/// Reads an initialization section. Never fails: what is wrong with it is told in it.
#[must_use]
pub fn read_init(data: &Bytes) -> Init {
    let mut init = Init::default();
    let top = boxes(data, 0, &mut init.faults);
    let Some(moov) = top.into_iter().find(|found| &found.kind == b"moov") else {
        init.faults.add(0, "the initialization section has no moov box");
        return init;
    };
    let children = boxes(&moov.body, moov.body_position, &mut init.faults);
    for trak in children.iter().filter(|found| &found.kind == b"trak") {
        if init.tracks.len() >= Limits::DEFAULT.max_tracks {
            break;
        }
        match track(trak, &mut init.faults) {
            Ok(track) => init.tracks.push(track),
            Err(what) => init.faults.add(trak.position, format!("trak: {what}")),
        }
    }
    if let Some(mvex) = children.iter().find(|found| &found.kind == b"mvex") {
        for trex in boxes(&mvex.body, mvex.body_position, &mut init.faults) {
            if &trex.kind == b"trex"
                && let Err(what) = init.take_trex(&trex)
            {
                init.faults.add(trex.position, format!("trex {what}"));
            }
        }
    }
    if init.tracks.is_empty() {
        init.faults.add(moov.position, "no track can be read");
    }
    init
}

impl Init {
    fn take_trex(&mut self, trex: &BoxAt) -> Result<(), &'static str> {
        let mut fields = Fields(trex.body.clone());
        fields.version()?;
        let id = fields.u32()?;
        fields.skip(4)?;
        let defaults =
            Defaults { duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? };
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
            track.defaults = defaults;
        }
        Ok(())
    }
}

/// A `trak` (14496-12 8.3.1).
fn track(trak: &BoxAt, faults: &mut Faults) -> Result<Track, String> {
    let need = |parent: &BoxAt, kind: &[u8; 4], faults: &mut Faults| {
        child(parent, kind, faults).ok_or_else(|| format!("has no {} box", kind.escape_ascii()))
    };
    let tkhd = need(trak, b"tkhd", faults)?;
    let mut fields = Fields(tkhd.body);
    let (version, _) = fields.version()?;
    fields.skip(if version == 0 { 8 } else { 16 })?;
    let id = fields.u32()?;
    let mdia = need(trak, b"mdia", faults)?;
    let mut fields = Fields(need(&mdia, b"mdhd", faults)?.body);
    let (version, _) = fields.version()?;
    fields.skip(if version == 0 { 8 } else { 16 })?;
    let timescale = fields.u32()?;
    if timescale == 0 {
        return Err("a timescale of 0".to_owned());
    }
    let mut fields = Fields(need(&mdia, b"hdlr", faults)?.body);
    fields.skip(8)?;
    let handler: [u8; 4] = fields.array()?;
    let stbl = need(&need(&mdia, b"minf", faults)?, b"stbl", faults)?;
    let stsd = need(&stbl, b"stsd", faults)?;
    let media = media(&handler, &stsd, faults)?;
    Ok(Track { id, timescale, media, defaults: Defaults::default() })
}

/// The first entry of an `stsd` (14496-12 8.5.2): players take no other.
fn media(handler: &[u8; 4], stsd: &BoxAt, faults: &mut Faults) -> Result<Media, String> {
    let entries = stsd.body.slice(stsd.body.len().min(8)..);
    let entries = boxes(&entries, stsd.body_position.saturating_add(8), faults);
    let entry = entries.into_iter().next().ok_or("an stsd without entries")?;
    let fields = match handler {
        b"vide" => VISUAL_FIELDS,
        b"soun" => AUDIO_FIELDS,
        _ => return Ok(Media::Other),
    };
    let inside = entry.body.slice(entry.body.len().min(fields)..);
    let inside = boxes(&inside, entry.body_position.saturating_add(fields), faults);
    let find = |kind: &[u8; 4]| inside.iter().find(|found| &found.kind == kind);
    match &entry.kind {
        b"avc1" | b"avc3" => {
            let avcc = find(b"avcC").ok_or("avc1 without an avcC")?;
            let config = AvcConfig::parse(avcc.body.clone());
            config.map(Media::Video).map_err(|error| error.to_string())
        }
        b"mp4a" => {
            let esds = find(b"esds").ok_or("mp4a without an esds")?;
            let specific = decoder_specific(&esds.body).ok_or("an esds without a configuration")?;
            let config = AudioSpecificConfig::parse(specific);
            config.map(Media::Audio).map_err(|error| error.to_string())
        }
        _ => Ok(Media::Other),
    }
}

/// The `DecoderSpecificInfo` of an `esds`: descriptors inside of each other (14496-1 7.2.6).
fn decoder_specific(esds: &[u8]) -> Option<&[u8]> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    let es = descriptor(esds.get(4..)?, ES)?;
    let flags = *es.get(2)?;
    // Optional fields: an id, a URL behind its length, a clock.
    let mut at: usize = if flags & 0x80 == 0 { 3 } else { 5 };
    if flags & 0x40 != 0 {
        at = at.saturating_add(1).saturating_add((*es.get(at)?).into());
    }
    if flags & 0x20 != 0 {
        at = at.saturating_add(2);
    }
    let config = descriptor(es.get(at..)?, DECODER_CONFIG)?;
    descriptor(config.get(13..)?, DECODER_SPECIFIC)
}

fn descriptor(data: &[u8], wanted: u8) -> Option<&[u8]> {
    let (&tag, mut rest) = data.split_first()?;
    let mut length: usize = 0;
    // Seven bits a byte, four bytes at most.
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (tag == wanted).then(|| rest.get(..length))?
}

/// Reads a segment of fragmented MP4. Never fails: what is wrong with it is told in the facts.
///
/// `origin` is where the segment starts in its resource: some data offsets count from there.
#[must_use]
pub fn read_fragments(data: &Bytes, init: &Init, origin: u64) -> SegmentFacts {
    let mut facts = SegmentFacts {
        container: Container::FragmentedMp4,
        bytes: data.len(),
        ..SegmentFacts::default()
    };
    let mut collected: Vec<Collected> = init.tracks.iter().map(|_| Collected::default()).collect();
    let top = boxes(data, 0, &mut facts.faults);
    if !top.iter().any(|found| &found.kind == b"moof") {
        facts.faults.add(0, "there is no moof box");
    }
    for moof in top.iter().filter(|found| &found.kind == b"moof") {
        let mut fragment = Fragment { data, moof, init, origin, next_data: moof.position };
        for traf in boxes(&moof.body, moof.body_position, &mut facts.faults) {
            if &traf.kind == b"traf"
                && let Err(what) = fragment.read(&traf, &mut collected, &mut facts.faults)
            {
                facts.faults.add(traf.position, what);
            }
        }
    }
    for (track, Collected { samples, .. }) in init.tracks.iter().zip(collected) {
        match &track.media {
            Media::Video(config) if facts.video.is_none() => {
                facts.access_units = access_units(track, config, &samples, &mut facts.faults);
                facts.video = video::read(&facts.access_units);
            }
            Media::Audio(config) if facts.audio.is_none() => {
                facts.audio = audio(track, config, &samples);
            }
            Media::Video(_) | Media::Audio(_) | Media::Other => {}
        }
    }
    facts
}

/// A moof box being read.
struct Fragment<'a> {
    data: &'a Bytes,
    moof: &'a BoxAt,
    init: &'a Init,
    origin: u64,
    /// Where the data of the next traf starts that does not say it (14496-12 8.8.7.1).
    next_data: usize,
}

impl Fragment<'_> {
    fn read(
        &mut self,
        traf: &BoxAt,
        collected: &mut [Collected],
        faults: &mut Faults,
    ) -> Result<(), String> {
        let children = boxes(&traf.body, traf.body_position, faults);
        let find = |kind: &[u8; 4]| children.iter().find(|found| &found.kind == kind);
        let mut fields = Fields(find(b"tfhd").ok_or("a traf without a tfhd")?.body.clone());
        let (_, flags) = fields.version()?;
        let id = fields.u32()?;
        let known = self.init.tracks.iter().zip(collected).find(|(track, _)| track.id == id);
        let (track, collected) =
            known.ok_or_else(|| format!("track {id} is not in the EXT-X-MAP"))?;
        let mut base = if flags & 0x02_0000 == 0 { self.next_data } else { self.moof.position };
        if flags & 0x01 != 0 {
            let in_segment = fields.u64()?.checked_sub(self.origin);
            base = in_segment.and_then(|at| at.try_into().ok()).unwrap_or(usize::MAX);
        }
        if flags & 0x02 != 0 {
            fields.skip(4)?;
        }
        let mut defaults = track.defaults;
        for (flag, field) in [
            (0x08, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *field = fields.u32()?;
            }
        }
        let tfdt = find(b"tfdt").ok_or("a traf without a tfdt (RFC 8216 3.3 needs it)")?;
        let mut fields = Fields(tfdt.body.clone());
        let time = match fields.version()? {
            (0, _) => fields.u32()?.into(),
            _ => fields.u64()?.cast_signed(),
        };
        let mut run = Run { dts: time, at: base, base, defaults };
        for trun in children.iter().filter(|found| &found.kind == b"trun") {
            run.read(trun, self.data, collected)?;
        }
        self.next_data = run.at;
        Ok(())
    }
}

/// A place in the samples of a traf.
struct Run {
    dts: i64,
    /// Where the next sample's data is.
    at: usize,
    base: usize,
    defaults: Defaults,
}

impl Run {
    /// A `trun` (14496-12 8.8.8).
    fn read(
        &mut self,
        trun: &BoxAt,
        data: &Bytes,
        collected: &mut Collected,
    ) -> Result<(), String> {
        let mut fields = Fields(trun.body.clone());
        let (_, flags) = fields.version()?;
        let count = fields.u32()?;
        if flags & 0x01 != 0 {
            let offset = isize::try_from(fields.u32()?.cast_signed()).unwrap_or(isize::MAX);
            self.at = self.base.checked_add_signed(offset).unwrap_or(usize::MAX);
        }
        let mut first_flags = if flags & 0x04 == 0 { None } else { Some(fields.u32()?) };
        let limit = Limits::DEFAULT.max_fragment_samples;
        for _ in 0..count {
            if collected.samples.len() >= limit {
                return Err(format!("more than {limit} samples"));
            }
            let mut field = |flag: u32, default: u32| match flags & flag {
                0 => Ok(default),
                _ => fields.u32(),
            };
            let duration = field(0x100, self.defaults.duration)?;
            let size = field(0x200, self.defaults.size)?;
            let default_flags = first_flags.take().unwrap_or(self.defaults.flags);
            let sample_flags = field(0x400, default_flags)?;
            let composition = field(0x800, 0)?.cast_signed();
            let end = self.at.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
            if end > data.len() {
                let (number, at) = (collected.samples.len().saturating_add(1), self.at);
                return Err(format!("sample {number} of {size} bytes at byte {at} is not in it"));
            }
            collected.bytes = collected.bytes.saturating_add(end.saturating_sub(self.at));
            if collected.bytes > data.len() {
                return Err(
                    "samples overlap: together they have more bytes than there are".to_owned()
                );
            }
            collected.samples.push(Sample {
                dts: self.dts,
                composition,
                duration,
                is_sync: sample_flags & NON_SYNC == 0,
                data: data.slice(self.at..end),
            });
            self.at = end;
            self.dts = self.dts.saturating_add(duration.into());
        }
        Ok(())
    }
}

/// Samples as a decoder takes them, the first behind the parameter sets of the configuration.
fn access_units(
    track: &Track,
    config: &AvcConfig,
    samples: &[Sample],
    faults: &mut Faults,
) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    for (number, sample) in (1_usize..).zip(samples) {
        let mut annexb = Vec::new();
        if number == 1 {
            config.parameter_sets.iter().for_each(|set| push_nal_unit(set, &mut annexb));
        }
        match h264::avcc::nal_units(sample.data.clone(), config.nal_length_size) {
            Ok((nal_units, _)) => {
                nal_units.iter().for_each(|unit| push_nal_unit(unit, &mut annexb));
            }
            Err(error) => {
                faults.add(0, excerpt(&format!("video sample {number}: {error}")));
                continue;
            }
        }
        let pts = sample.dts.saturating_add(sample.composition.into());
        units.push(AccessUnit {
            pts: Some(timestamp(pts, track.timescale)),
            dts: Some(timestamp(sample.dts, track.timescale)),
            annexb: annexb.into(),
        });
        if number == 1 && !sample.is_sync {
            faults.add(0, "the first video sample is no sync sample");
        }
    }
    units
}

fn push_nal_unit(unit: &[u8], annexb: &mut Vec<u8>) {
    annexb.extend_from_slice(&[0, 0, 0, 1]);
    annexb.extend_from_slice(unit);
}

fn audio(track: &Track, config: &AudioSpecificConfig, samples: &[Sample]) -> Option<AudioTrack> {
    let first = samples.first()?;
    let frame_secs = f64::from(config.samples_per_frame) / f64::from(config.sample_rate_hz.max(1));
    let mut audio = AudioTrack {
        first_pts: Some(timestamp(first.dts, track.timescale)),
        frames: samples.len(),
        payload_bytes: samples.iter().map(|sample| sample.data.len()).sum(),
        sample_rate_hz: config.sample_rate_hz,
        codec: config.codec_string(),
        ..AudioTrack::default()
    };
    let mut last: Option<&Sample> = None;
    for sample in samples {
        if let Some(last) = last {
            let between = sample.dts.saturating_sub(last.dts) as f64 / f64::from(track.timescale);
            audio.largest_step_secs = audio.largest_step_secs.max((between - frame_secs).abs());
            if sample.dts < last.dts {
                audio.backward_steps = audio.backward_steps.saturating_add(1);
            }
        }
        let secs = f64::from(sample.duration) / f64::from(track.timescale);
        audio.end = Some(time::later(timestamp(sample.dts, track.timescale), secs));
        last = Some(sample);
    }
    Some(audio)
}

/// Ticks of a track in ours.
fn timestamp(ticks: i64, timescale: u32) -> Timestamp {
    let scaled = i128::from(ticks).saturating_mul(TICKS_PER_SECOND.into());
    let scaled = scaled.div_euclid(i128::from(timescale).max(1));
    Timestamp::from_ticks(i64::try_from(scaled).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str) -> Bytes {
        testmedia::read(&format!("cases/check/{name}")).into()
    }

    #[test]
    fn a_good_segment_has_no_faults() {
        let init = read_init(&case("fmp4/init.mp4"));
        assert!(init.faults.is_empty(), "{:?}", init.faults);
        let facts = read_fragments(&case("fmp4/s1.m4s"), &init, 0);
        assert!(facts.faults.is_empty(), "{:?}", facts.faults);
        let (video, audio) = (facts.video.unwrap(), facts.audio.unwrap());
        assert_eq!((video.pictures, video.starts_with_idr, video.disorder), (50, true, 0));
        assert!(video.starts_with_parameter_sets);
        assert_eq!(video.shapes[0].resolution, (320, 240));
        assert_eq!((audio.sample_rate_hz, audio.codec.as_str()), (48_000, "mp4a.40.2"));
        assert!((93..=95).contains(&audio.frames), "{}", audio.frames);
        assert!((time::secs(Timestamp::ZERO, video.first_pts.unwrap()) - 2.0).abs() < 0.1);
    }

    #[test]
    fn damage_is_told_and_never_a_panic() {
        let init = read_init(&case("badfmp4/init.mp4"));
        let facts = read_fragments(&case("badfmp4/s0.m4s"), &init, 0);
        assert!(!facts.faults.is_empty() && facts.video.is_none() && facts.audio.is_none());
        let (head, good) = (case("fmp4/init.mp4"), case("fmp4/s0.m4s"));
        for len in (0..head.len()).chain([head.len()]) {
            let _ = read_init(&head.slice(..len));
        }
        let init = read_init(&head);
        for len in (0..good.len()).step_by(7) {
            let facts = read_fragments(&good.slice(..len), &init, 0);
            assert!(!facts.faults.is_empty(), "{len}");
        }
        for at in 0..2000 {
            let mut turned = good.to_vec();
            turned[at] ^= 0x41;
            let facts = read_fragments(&turned.into(), &init, 0);
            assert!(facts.access_units.len() <= Limits::DEFAULT.max_fragment_samples);
        }
    }
}
