//! The picture of the test signal.

use std::fmt::Write as _;

use media::I420Buf;

use crate::canvas::{Rect, copy_luma, fill, fill_columns, fill_luma, glyph_luma};
use crate::colour::{Matrix, Ycbcr, ebu_bars};
use crate::font::{ADVANCE, CAPITAL_HEIGHT, GLYPH_HEIGHT, Glyph};
use crate::layout::{CLOCK_LEN, Layout, TextAt};
use crate::tone::BEEP_MS;

/// A test card: colour bars with the stream's name, a grey ramp, a clock, a flash on each full
/// second, a bar that sweeps by the same step in every picture, a row of lamps of which the next
/// one is lit in every picture, the picture's number, and the picture's size and rate.
///
/// The background is drawn once; of the rest only what changes, and only in luma.
#[derive(Clone, Debug)]
pub struct TestCard {
    picture: I420Buf,
    layout: Layout,
    frame_rate: (u32, u32),
    clock: Digits,
    counter: Digits,
    /// What is white now and has to be taken back.
    bar: [Rect; 2],
    lamp: Rect,
    lamps: usize,
}

impl TestCard {
    /// A card of `width` x `height` samples, for a stream of `frame_rate` (numerator, denominator)
    /// pictures a second.
    ///
    /// Any size will do, but text needs some 100 columns to be read. Characters of `name` outside
    /// printable ASCII are shown as question marks; a name too long for the picture is cut off.
    #[must_use]
    pub fn new(width: usize, height: usize, frame_rate: (u32, u32), name: &str) -> Self {
        let details = format!("{width}x{height} {} fps", decimal(frame_rate));
        let layout = Layout::new(width, height, name.chars().count(), details.len());
        let mut picture = I420Buf::new(width, height);
        let lamps = lamp_count(&layout, frame_rate);
        background(&mut picture, &layout, Matrix::for_height(height), lamps);
        draw_text(&mut picture, layout.name, name, Ycbcr::BLACK.y);
        draw_text(&mut picture, layout.zone, "UTC", PANEL.y);
        draw_text(&mut picture, layout.counter, COUNTER_LABEL, PANEL.y);
        draw_text(&mut picture, layout.details, &details, PANEL.y);
        let counter = TextAt {
            x: layout.counter.x + COUNTER_LABEL.len() * ADVANCE * layout.counter.scale,
            ..layout.counter
        };
        Self {
            clock: Digits::new(layout.clock),
            counter: Digits::new(counter),
            bar: [Rect::new(0, 0, 0, 0); 2],
            lamp: Rect::new(0, 0, 0, 0),
            lamps,
            picture,
            layout,
            frame_rate,
        }
    }

    /// What the colours are made with; to be told to viewers in the stream. The range is limited
    /// (16 to 235).
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        Matrix::for_height(self.picture.height())
    }

    /// Draws one picture: `frame_number` places the moving parts and is shown modulo 10^8;
    /// `wall_clock_unix_ms` is shown as UTC, and the flash is lit from its full seconds on.
    ///
    /// For flash and beep to be in step, take the time of a picture and of the sound's first sample
    /// from one clock: start plus `frame_number` / rate. If the start is a full second and the rate
    /// a whole number, they coincide.
    pub fn draw(&mut self, frame_number: u64, wall_clock_unix_ms: i64) -> &I420Buf {
        let mut text = String::with_capacity(CLOCK_LEN);
        write_clock(&mut text, wall_clock_unix_ms);
        self.clock.show(&mut self.picture, &text);
        text.clear();
        // Writing to a string does not fail, here and in write_clock.
        let _ = write!(text, "{:08}", frame_number % 100_000_000);
        self.counter.show(&mut self.picture, &text);
        self.draw_flash(wall_clock_unix_ms);
        self.draw_bar(frame_number);
        self.draw_lamp(frame_number);
        &self.picture
    }

    fn draw_flash(&mut self, wall_clock_unix_ms: i64) {
        let luma = if self.flashes(wall_clock_unix_ms) { Ycbcr::WHITE.y } else { OFF };
        fill_luma(&mut self.picture, self.layout.flash, luma);
    }

    /// Lit as long as the beep, but at least for one picture.
    fn flashes(&self, wall_clock_unix_ms: i64) -> bool {
        let (numerator, denominator) = self.frame_rate;
        let interval_ms = (u64::from(denominator) * 1000).div_ceil(u64::from(numerator.max(1)));
        let since_second = wall_clock_unix_ms.rem_euclid(1000).unsigned_abs();
        since_second < interval_ms.max(BEEP_MS.into())
    }

    fn draw_bar(&mut self, frame_number: u64) {
        let track = self.layout.sweep;
        for old in self.bar {
            fill_luma(&mut self.picture, old, TRACK);
        }
        let width = (track.width / 40).max(1);
        let at = bar_position(track.width, self.frame_rate, frame_number);
        // Over the right end, it comes in again from the left.
        let first = width.min(track.width.saturating_sub(at));
        let rest = (width - first).min(track.width);
        self.bar = [
            Rect { x: track.x + at, width: first, ..track },
            Rect { x: track.x, width: rest, ..track },
        ];
        for new in self.bar {
            fill_luma(&mut self.picture, new, Ycbcr::WHITE.y);
        }
    }

    fn draw_lamp(&mut self, frame_number: u64) {
        fill_luma(&mut self.picture, self.lamp, OFF);
        let index = (frame_number % self.lamps as u64) as usize;
        self.lamp = lamp(&self.layout, self.lamps, index);
        fill_luma(&mut self.picture, self.lamp, Ycbcr::WHITE.y);
    }
}

/// Text of fixed places whose characters are drawn only when they change: digits, colons and dots.
#[derive(Clone, Debug)]
struct Digits {
    at: TextAt,
    /// The luma of each of [`DIGITS`].
    cells: Vec<Vec<u8>>,
    shown: Vec<u8>,
}

impl Digits {
    fn new(at: TextAt) -> Self {
        let size = (ADVANCE, CAPITAL_HEIGHT);
        let cell = |digit| glyph_luma(Glyph::of(digit), at.scale, size, (at.luma, PANEL.y));
        Self { at, cells: DIGITS.chars().map(cell).collect(), shown: Vec::new() }
    }

    fn show(&mut self, picture: &mut I420Buf, text: &str) {
        for (index, character) in text.bytes().enumerate() {
            if self.shown.get(index) == Some(&character) {
                continue;
            }
            if let Some(cell) = DIGITS.bytes().position(|digit| digit == character) {
                copy_luma(picture, self.at.cell(index, CAPITAL_HEIGHT), &self.cells[cell]);
            }
        }
        self.shown.clear();
        self.shown.extend_from_slice(text.as_bytes());
    }
}

/// What stays.
fn background(picture: &mut I420Buf, layout: &Layout, matrix: Matrix, lamps: usize) {
    let whole = Rect::new(0, 0, picture.width(), picture.height());
    fill(picture, whole, PANEL);
    let bars = layout.bars;
    for (index, colour) in ebu_bars(matrix).into_iter().enumerate() {
        let (left, right) = (bars.width * index / 16 * 2, bars.width * (index + 1) / 16 * 2);
        // The last one takes what an odd width leaves.
        let right = if index == 7 { bars.width } else { right };
        fill(picture, Rect { x: left, width: right - left, ..bars }, colour);
    }
    let ramp = layout.ramp;
    fill(picture, ramp, Ycbcr::BLACK);
    fill_columns(picture, ramp, |column| {
        (16 + (column * 219 + ramp.width / 2) / ramp.width.saturating_sub(1).max(1)).min(235) as u8
    });
    fill(picture, layout.name_box, Ycbcr::BLACK);
    fill(picture, layout.flash.grown(layout.line), Ycbcr::grey(FRAME));
    fill_luma(picture, layout.sweep, TRACK);
    for index in 0..lamps {
        fill_luma(picture, lamp(layout, lamps, index), OFF);
    }
}

fn draw_text(picture: &mut I420Buf, at: TextAt, text: &str, behind: u8) {
    for (index, character) in text.chars().enumerate() {
        let cell = at.cell(index, GLYPH_HEIGHT);
        if cell.x >= picture.width() {
            return;
        }
        let size = (ADVANCE, GLYPH_HEIGHT);
        let samples = glyph_luma(Glyph::of(character), at.scale, size, (at.luma, behind));
        copy_luma(picture, cell, &samples);
    }
}

/// `HH:MM:SS.mmm`, UTC.
fn write_clock(text: &mut String, unix_ms: i64) {
    let ms_of_day = unix_ms.rem_euclid(86_400_000);
    let (seconds, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(text, "{hours:02}:{minutes:02}:{seconds:02}.{ms:03}");
}

/// Where the bar begins: it crosses the track in about 4 s, by the same whole number of samples in
/// each picture.
fn bar_position(track: usize, (numerator, denominator): (u32, u32), frame_number: u64) -> usize {
    let track = track.max(1) as u64;
    let step = track * u64::from(denominator) / (4 * u64::from(numerator.max(1)));
    // Reduced first: the product stays small.
    ((frame_number % track) * (step.max(1) % track) % track) as usize
}

/// A lamp for each picture of a second, or as many as can be told apart.
fn lamp_count(layout: &Layout, (numerator, denominator): (u32, u32)) -> usize {
    let a_second = numerator.div_ceil(denominator.max(1)) as usize;
    a_second.min(layout.lamps.width / 4).max(1)
}

fn lamp(layout: &Layout, count: usize, index: usize) -> Rect {
    let row = layout.lamps;
    let (left, right) = (row.width * index / count, row.width * (index + 1) / count);
    let width = (right - left).saturating_sub(layout.line).max(1);
    Rect { x: row.x + left, width, ..row }
}

/// A rate with at most two decimals.
fn decimal((numerator, denominator): (u32, u32)) -> String {
    let rate = f64::from(numerator) / f64::from(denominator.max(1));
    format!("{rate:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

const COUNTER_LABEL: &str = "frame ";
const DIGITS: &str = "0123456789:.";
/// Behind the lower part: a dark blue.
const PANEL: Ycbcr = Ycbcr { y: 32, cb: 142, cr: 122 };
/// Luma of lamps and flash when they are off.
const OFF: u8 = 56;
/// Luma of the frame around the flash.
const FRAME: u8 = 110;
/// Luma of the bar's track.
const TRACK: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;

    fn card(width: usize, height: usize) -> TestCard {
        TestCard::new(width, height, (30, 1), "hello_world")
    }

    fn luma(picture: &I420Buf, x: usize, y: usize) -> u8 {
        picture.as_i420().y.data[y * picture.width() + x]
    }

    /// Reads text back: for each cell, the character that looks like it.
    fn read(picture: &I420Buf, at: TextAt, len: usize) -> String {
        let is = |cell: Rect, character: char| {
            (0..cell.width * cell.height).all(|point| {
                let (x, y) = (point % cell.width, point / cell.width);
                let lit = luma(picture, cell.x + x, cell.y + y) > 128;
                Glyph::of(character).covers(x, y, at.scale) == lit
            })
        };
        let character = |index: usize| {
            let cell = at.cell(index, CAPITAL_HEIGHT);
            (' '..='~').find(|character| is(cell, *character)).unwrap_or('\u{fffd}')
        };
        (0..len).map(character).collect()
    }

    #[test]
    fn the_clock_and_the_counter_can_be_read_at_every_size() {
        for (width, height) in [(1920, 1080), (1280, 720), (640, 480), (480, 854), (256, 144)] {
            let mut card = card(width, height);
            // 22:13:20 UTC, and then each digit on its own changes.
            for (frame, ms, clock) in [
                (0, 0, "22:13:20.000"),
                (12_345_678, 59, "22:13:20.059"),
                (100_000_009, 6_399_999, "23:59:59.999"),
                (9, 6_400_000, "00:00:00.000"),
            ] {
                card.draw(frame, START + ms);
                assert_eq!(read(&card.picture, card.clock.at, 12), clock, "{width}x{height}");
                let counter = format!("{:08}", frame % 100_000_000);
                assert_eq!(read(&card.picture, card.counter.at, 8), counter, "{width}x{height}");
            }
            assert_eq!(read(&card.picture, card.layout.name, 11).replace('_', " "), "hello world");
            assert_eq!(read(&card.picture, card.layout.zone, 3), "UTC");
        }
    }

    #[test]
    fn the_clock_shows_utc_also_before_1970() {
        let clock = |unix_ms| {
            let mut text = String::new();
            write_clock(&mut text, unix_ms);
            text
        };
        assert_eq!(clock(0), "00:00:00.000");
        assert_eq!(clock(-1), "23:59:59.999");
        assert_eq!(clock(i64::MAX), "07:12:55.807");
        assert_eq!(clock(i64::MIN), "16:47:04.192");
    }

    #[test]
    fn bars_and_ramp_have_their_colours() {
        let card = card(1280, 720);
        let picture = card.picture.as_i420();
        for (index, colour) in ebu_bars(Matrix::Bt709).into_iter().enumerate() {
            for x in [160 * index, 160 * index + 159] {
                let chroma = 20 * 640 + x / 2;
                let sample =
                    (luma(&card.picture, x, 40), picture.u.data[chroma], picture.v.data[chroma]);
                assert_eq!(sample, (colour.y, colour.cb, colour.cr), "bar {index}");
            }
        }
        let ramp: Vec<u8> = (0..1280).map(|x| luma(&card.picture, x, 280)).collect();
        assert_eq!((ramp[0], ramp[1279]), (16, 235));
        assert!(ramp.windows(2).all(|pair| pair[0] <= pair[1] && pair[1] - pair[0] <= 1));
        assert_eq!(picture.u.data[140 * 640..][..640], [128; 640]);
    }

    #[test]
    fn all_samples_stay_in_limited_range() {
        let mut card = card(640, 360);
        let picture = card.draw(77, START).as_i420();
        assert!(picture.y.data.iter().all(|y| (16..=235).contains(y)));
        assert!(picture.u.data.iter().chain(picture.v.data).all(|c| (16..=240).contains(c)));
    }

    /// The columns of `rect` that are white.
    fn white(picture: &I420Buf, rect: Rect) -> Vec<usize> {
        let y = rect.y + rect.height / 2;
        (0..rect.width).filter(|x| luma(picture, rect.x + x, y) == 235).collect()
    }

    #[test]
    fn the_bar_moves_by_the_same_step_in_each_picture() {
        let mut card = card(1280, 720);
        let track = card.layout.sweep;
        // 1152 columns in 4 s of 30 pictures.
        for frame in 0..300 {
            let expected: Vec<usize> = (0..28).map(|x| (frame * 9 + x) % 1152).collect();
            let picture = card.draw(frame as u64, START).clone();
            let mut white = white(&picture, track);
            white.sort_by_key(|x| (x + 1152 - frame * 9 % 1152) % 1152);
            assert_eq!(white, expected, "picture {frame}");
        }
    }

    #[test]
    fn one_lamp_is_lit_and_it_is_the_next_one() {
        let mut card = card(1280, 720);
        let lamps = card.layout.lamps;
        for frame in 0..65 {
            let picture = card.draw(frame, START).clone();
            let white = white(&picture, lamps);
            let (first, last) = (white[0], white[white.len() - 1]);
            assert_eq!(last - first + 1, white.len());
            assert_eq!((first + last) / 2 * 30 / 1152, (frame % 30) as usize);
        }
    }

    fn flash_is_lit(card: &mut TestCard, unix_ms: i64) -> bool {
        let flash = card.layout.flash;
        let picture = card.draw(0, unix_ms);
        luma(picture, flash.x + flash.width / 2, flash.y + flash.height / 2) == 235
    }

    #[test]
    fn the_flash_begins_at_the_full_second_and_lasts_as_long_as_the_beep() {
        let mut card = card(320, 180);
        for ms in 0..3000 {
            let beeps = ms % 1000 < i64::from(BEEP_MS);
            assert_eq!(flash_is_lit(&mut card, START + ms), beeps, "{ms} ms");
        }
    }

    #[test]
    fn each_second_flashes_also_at_few_pictures_a_second() {
        for (numerator, denominator) in [(1, 1), (5, 1), (24_000, 1001), (30_000, 1001), (60, 1)] {
            let mut card = TestCard::new(320, 180, (numerator, denominator), "");
            let mut flashes = [false; 20];
            for frame in 0.. {
                let ms = 333 + frame * 1000 * i64::from(denominator) / i64::from(numerator);
                let Some(second) = flashes.get_mut((ms / 1000) as usize) else { break };
                *second |= flash_is_lit(&mut card, START + ms);
            }
            assert!(flashes[1..].iter().all(|flash| *flash), "{numerator}/{denominator}");
        }
    }

    #[test]
    fn only_what_changes_is_redrawn_but_all_of_it() {
        let mut used = card(640, 360);
        for frame in 0..150 {
            used.draw(frame * 7919, START + frame as i64 * 7919);
        }
        used.draw(4, START + 4000);
        assert_eq!(&used.picture, card(640, 360).draw(4, START + 4000));
    }

    #[test]
    fn any_size_rate_and_name_can_be_drawn() {
        let long = "x".repeat(10_000);
        for (width, height) in
            [(0, 0), (1, 1), (16, 16), (17, 33), (2, 4000), (4000, 2), (255, 143)]
        {
            for rate in [(0, 0), (30, 1), (u32::MAX, 1), (1, u32::MAX)] {
                for name in ["", "ä\u{0}\n", &long] {
                    let mut card = TestCard::new(width, height, rate, name);
                    for frame in [0, 1, u64::MAX] {
                        card.draw(frame, i64::MIN);
                        card.draw(frame, i64::MAX);
                    }
                }
            }
        }
    }

    #[test]
    fn rates_are_shown_as_people_write_them() {
        let rates = [(30, 1), (30_000, 1001), (24_000, 1001), (25, 2), (100, 1)];
        assert_eq!(rates.map(decimal), ["30", "29.97", "23.98", "12.5", "100"]);
    }
}
