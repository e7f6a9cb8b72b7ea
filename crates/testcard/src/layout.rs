//! Where things are: proportions of a picture of 1280x720, for any size.

use crate::canvas::Rect;
use crate::font::{ADVANCE, CAPITAL_HEIGHT, GLYPH_HEIGHT};

/// Characters of `HH:MM:SS.mmm`.
pub(crate) const CLOCK_LEN: usize = 12;

/// A line of text: the top left corner of its first glyph, and how many samples a dot is wide and
/// high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextAt {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) scale: usize,
    pub(crate) luma: u8,
}

impl TextAt {
    /// The cell of a character, including the gap to the next.
    pub(crate) fn cell(self, index: usize, rows: usize) -> Rect {
        let advance = ADVANCE * self.scale;
        Rect::new(self.x + index * advance, self.y, advance, rows * self.scale)
    }
}

/// The places of everything. Coloured parts have even corners, so that no chroma sample belongs to
/// two.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) bars: Rect,
    pub(crate) ramp: Rect,
    pub(crate) name: TextAt,
    pub(crate) name_box: Rect,
    pub(crate) clock: TextAt,
    /// The clock's time zone, behind it.
    pub(crate) zone: TextAt,
    pub(crate) flash: Rect,
    pub(crate) sweep: Rect,
    pub(crate) lamps: Rect,
    pub(crate) counter: TextAt,
    pub(crate) details: TextAt,
    /// Thickness of lines.
    pub(crate) line: usize,
}

impl Layout {
    /// The layout of a picture, for a name and details of so many characters.
    pub(crate) fn new(width: usize, height: usize, name_len: usize, details_len: usize) -> Self {
        let across = |part: usize| even(width * part / 1280);
        let down = |part: usize| even(height * part / 720);
        // What is not stretched: letters and squares.
        let size = |part: usize| (height * part / 720).min(width * part / 1280).max(1);
        let (left, right) = (across(64), across(1216));
        let bars = Rect::new(0, 0, width, down(252));
        let (name, name_box) = centred_name(bars, (right - left, size(8)), name_len);
        let square = size(118);
        let scale = size(6);
        let clock = TextAt { x: left, y: down(352), scale: size(13), luma: STRONG };
        let zone_scale = size(4);
        Self {
            bars,
            ramp: Rect::new(0, down(252), width, down(312) - down(252)),
            name,
            name_box,
            clock,
            zone: TextAt {
                x: clock.cell(CLOCK_LEN, 1).x,
                y: clock.y + CAPITAL_HEIGHT * (clock.scale - zone_scale),
                scale: zone_scale,
                luma: SOFT,
            },
            flash: Rect::new(right.saturating_sub(square), down(338), square, square),
            sweep: Rect::new(left, down(486), right - left, down(534) - down(486)),
            lamps: Rect::new(left, down(546), right - left, down(570) - down(546)),
            counter: TextAt { x: left, y: down(612), scale, luma: SOFT },
            details: TextAt {
                x: (right + scale).saturating_sub(details_len * ADVANCE * scale),
                y: down(612),
                scale,
                luma: SOFT,
            },
            line: size(4),
        }
    }
}

/// A name in the middle of the bars, as large as fits, and the box around it.
fn centred_name(bars: Rect, (width, max_scale): (usize, usize), len: usize) -> (TextAt, Rect) {
    let scale = (width / (len * ADVANCE).max(1)).clamp(1, max_scale);
    let text_width = (len * ADVANCE * scale).saturating_sub(scale);
    let x = bars.width.saturating_sub(text_width) / 2;
    let y = bars.height.saturating_sub(CAPITAL_HEIGHT * scale) / 2;
    let text = Rect::new(x, y, text_width, (2 * CAPITAL_HEIGHT - GLYPH_HEIGHT + 4) * scale);
    let margin = text.grown(3 * scale);
    let (x, y) = (even(margin.x), even(margin.y));
    let name_box = Rect::new(
        x,
        y,
        even(margin.x + margin.width + 1) - x,
        even(margin.y + margin.height + 1) - y,
    );
    (TextAt { x: text.x, y: text.y, scale, luma: STRONG }, name_box)
}

const fn even(number: usize) -> usize {
    number / 2 * 2
}

/// Luma of what is to be read first.
const STRONG: u8 = 235;
/// Luma of the rest.
const SOFT: u8 = 190;
