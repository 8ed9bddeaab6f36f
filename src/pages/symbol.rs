//! The modules of a QR code (ISO/IEC 18004, error correction M), as rows of bits.
//!
//! `qrcode` encodes the link and draws the function patterns. The data is placed and the masks are evaluated here, on
//! whole rows of bits, because evaluating them module by module takes longer than the rest of a sign-in
//! (docs/decisions/0009-codes-and-pages-drawn-by-us.md).

use std::sync::OnceLock;

use qrcode::canvas::{Canvas, Module};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, Version, bits, ec};

/// A row or column of a symbol, with its first module in the lowest bit.
pub(super) type Line = u128;

/// Width of version 27, the largest that fits into a [`Line`].
const WIDEST: usize = 125;
/// The column of the timing pattern, which has no data.
const TIMING: usize = 6;
/// Period of all masks, in both directions.
const PERIOD: usize = 12;

/// A symbol: dark modules as ones, without the quiet zone.
pub(super) struct Symbol {
    pub(super) rows: Vec<Line>,
}

/// A symbol as rows and as columns, since penalties count along both.
#[derive(Clone)]
struct Grid {
    rows: Vec<Line>,
    columns: Vec<Line>,
}

impl Symbol {
    /// Encodes `link` with the mask of the lowest penalty. Fails if it does not fit into version 27.
    pub(super) fn of(link: &str) -> Result<Symbol, QrError> {
        let (plain, data) = encode(link)?;
        let masked = (0..MASKS.len()).map(|mask| plain.masked(mask, data));
        let best = masked.min_by_key(Grid::penalty).unwrap_or(plain);
        Ok(Symbol { rows: best.rows })
    }

    /// Width and height in modules.
    pub(super) fn width(&self) -> usize {
        self.rows.len()
    }

    /// Whether a module is dark. Those outside the symbol are light.
    pub(super) fn is_dark(&self, x: usize, y: usize) -> bool {
        self.rows.get(y).is_some_and(|row| x < self.width() && row >> x & 1 == 1)
    }
}

/// The unmasked symbol, and the modules that masks apply to.
fn encode(link: &str) -> Result<(Grid, &'static Grid), QrError> {
    let bits = bits::encode_auto(link.as_bytes(), EcLevel::M)?;
    let version = bits.version();
    let wider_than_first = version.width() - Version::Normal(1).width();
    let layout = usize::try_from(wider_than_first / 4).ok().and_then(|index| LAYOUTS.get(index));
    let Some(layout) = layout else { return Err(QrError::DataTooLong) };
    let layout = layout.get_or_init(|| Layout::of(version));
    let (words, correction) = ec::construct_codewords(&bits.into_bytes(), version, EcLevel::M)?;
    let mut plain = layout.patterns.clone();
    let mut places = layout.places.iter();
    for word in words.iter().chain(&correction) {
        // Most significant bit first.
        for (bit, (x, y)) in (0..8).rev().zip(places.by_ref()) {
            plain.set(usize::from(*x), usize::from(*y), word >> bit & 1 == 1);
        }
    }
    Ok((plain, &layout.data))
}

/// Shared by all symbols of a version.
struct Layout {
    /// Function patterns, version information, and the dark module.
    patterns: Grid,
    /// The data modules.
    data: Grid,
    /// The data modules in the order of the bits.
    places: Vec<(u8, u8)>,
}

/// By version, starting with 1. Initialized at first use.
static LAYOUTS: [OnceLock<Layout>; (WIDEST - 17) / 4] = [const { OnceLock::new() }; (WIDEST - 17) / 4];

impl Layout {
    fn of(version: Version) -> Layout {
        let mut canvas = Canvas::new(version, EcLevel::M);
        canvas.draw_all_functional_patterns();
        let width = usize::try_from(version.width()).unwrap_or_default();
        let (mut patterns, mut data) = (Grid::light(width), Grid::light(width));
        for (y, at_y) in (0..version.width()).enumerate() {
            for (x, at_x) in (0..version.width()).enumerate() {
                let module = canvas.get(at_x, at_y);
                patterns.set(x, y, Color::from(module) == Color::Dark);
                data.set(x, y, module == Module::Empty);
            }
        }
        // Format information depends on the mask. The dark module is next to it.
        let always_dark = (8, width - 8);
        patterns.set(always_dark.0, always_dark.1, true);
        for (x, y) in (0..15).flat_map(|bit| format_places(bit, width)).chain([always_dark]) {
            data.clear(x, y);
        }
        let places = winding(width).filter(|(x, y)| data.rows[usize::from(*y)] >> x & 1 == 1).collect();
        Layout { patterns, data, places }
    }
}

/// The order of placement from the lower right corner (section 7.7.3): pairs of columns, alternately upwards and
/// downwards, the right module first, without the column of the timing pattern.
fn winding(width: usize) -> impl Iterator<Item = (u8, u8)> {
    let number = |at: usize| u8::try_from(at).unwrap_or_default();
    (0..width / 2).flat_map(move |pair| {
        let from_right = width - 1 - 2 * pair;
        let right = if from_right > TIMING { from_right } else { from_right - 1 };
        (0..width).flat_map(move |step| {
            let y = if pair % 2 == 0 { width - 1 - step } else { step };
            [right, right - 1].map(|x| (number(x), number(y)))
        })
    })
}

impl Grid {
    fn light(width: usize) -> Grid {
        Grid { rows: vec![0; width], columns: vec![0; width] }
    }

    /// Sets a light module.
    fn set(&mut self, x: usize, y: usize, dark: bool) {
        self.rows[y] |= Line::from(dark) << x;
        self.columns[x] |= Line::from(dark) << y;
    }

    fn clear(&mut self, x: usize, y: usize) {
        self.rows[y] &= !(1 << x);
        self.columns[x] &= !(1 << y);
    }

    /// The symbol with a mask and its format information.
    fn masked(&self, mask: usize, data: &Grid) -> Grid {
        let lines = |plain: &[Line], data: &[Line], mask: &[Line; PERIOD]| {
            plain.iter().zip(data).zip(mask.iter().cycle()).map(|((plain, data), mask)| plain ^ mask & data).collect()
        };
        let Mask { rows, columns, format } = &MASKS[mask];
        let mut grid =
            Grid { rows: lines(&self.rows, &data.rows, rows), columns: lines(&self.columns, &data.columns, columns) };
        for bit in 0..15 {
            for (x, y) in format_places(bit, self.rows.len()) {
                grid.set(x, y, format >> bit & 1 == 1);
            }
        }
        grid
    }

    /// The penalty of section 7.8.3: long runs, finder-like patterns, blocks, imbalance.
    fn penalty(&self) -> u32 {
        let width = self.rows.len();
        let lines: u32 = self.rows.iter().chain(&self.columns).map(|line| line_penalty(*line, width)).sum();
        let blocks: u32 = self.rows.windows(2).map(|pair| blocks(pair[0], pair[1], width)).sum();
        let dark: u32 = self.rows.iter().map(|row| row.count_ones()).sum();
        let percent = dark as usize * 100 / (width * width).max(1);
        let imbalance = u32::try_from(percent.abs_diff(50) / 5).unwrap_or_default() * 10;
        lines + blocks * 3 + imbalance
    }
}

/// The two positions of a bit of the format information, counted from the lowest: at the upper left finder, and at
/// one of the others.
fn format_places(bit: usize, width: usize) -> [(usize, usize); 2] {
    let first = match bit {
        0..=5 => (8, bit),
        6 | 7 => (8, bit + 1),
        8 => (7, 8),
        _ => (14 - bit, 8),
    };
    let second = match bit {
        0..=7 => (width - 1 - bit, 8),
        _ => (8, width - 15 + bit),
    };
    [first, second]
}

/// The lowest `count` bits.
fn ones(count: usize) -> Line {
    (1 << count) - 1
}

/// Ones where a module has the colour of the next one.
fn alike(line: Line, width: usize) -> Line {
    !(line ^ line >> 1) & ones(width - 1)
}

/// Three points for a run of five and one for each further module; forty for each 1:1:3:1:1 pattern with four light
/// modules before or after it.
fn line_penalty(line: Line, width: usize) -> u32 {
    // Nearly every code is this narrow, and half the bits take half the time.
    if width <= 64 { narrow_penalty(line as u64, width) } else { wide_penalty(line, width) }
}

macro_rules! penalty_of {
    ($name:ident, $line:ty) => {
        fn $name(line: $line, width: usize) -> u32 {
            let two = !(line ^ line >> 1) & ((1 << (width - 1)) - 1);
            let three = two & two >> 1;
            let five = three & three >> 2;
            let runs = five & !(five << 1);
            let finders = line & !(line >> 1) & line >> 2 & line >> 3 & line >> 4 & !(line >> 5) & line >> 6;
            let mut total = five.count_ones() + 2 * runs.count_ones();
            if finders != 0 {
                let before = line << 1 | line << 2 | line << 3 | line << 4;
                let after = line >> 7 | line >> 8 | line >> 9 | line >> 10;
                total += 40 * ((finders & !before).count_ones() + (finders & !after).count_ones());
            }
            total
        }
    };
}

penalty_of!(narrow_penalty, u64);
penalty_of!(wide_penalty, Line);

/// Number of 2×2 squares of one colour.
fn blocks(upper: Line, lower: Line, width: usize) -> u32 {
    (alike(upper, width) & alike(lower, width) & !(upper ^ lower)).count_ones()
}

/// The repeating lines of a mask, and its format information (tables C.1 and 10, for error correction M).
struct Mask {
    rows: [Line; PERIOD],
    columns: [Line; PERIOD],
    format: u16,
}

const FORMATS: [u16; 8] = [0x5412, 0x5125, 0x5e7c, 0x5b4b, 0x45f9, 0x40ce, 0x4f97, 0x4aa0];

static MASKS: [Mask; 8] = {
    const NONE: Mask = Mask { rows: [0; PERIOD], columns: [0; PERIOD], format: 0 };
    let mut masks = [NONE; 8];
    let mut mask = 0;
    while mask < 8 {
        masks[mask].format = FORMATS[mask];
        let mut place = 0;
        while place < PERIOD * WIDEST {
            let (line, at) = (place / WIDEST, place % WIDEST);
            masks[mask].rows[line] |= (inverts(mask, at, line) as Line) << at;
            masks[mask].columns[line] |= (inverts(mask, line, at) as Line) << at;
            place += 1;
        }
        mask += 1;
    }
    masks
};

/// Whether a mask inverts a module (table 10).
const fn inverts(mask: usize, x: usize, y: usize) -> bool {
    0 == match mask {
        0 => (x + y) % 2,
        1 => y % 2,
        2 => x % 3,
        3 => (x + y) % 3,
        4 => (y / 2 + x / 3) % 2,
        5 => x * y % 2 + x * y % 3,
        6 => (x * y % 2 + x * y % 3) % 2,
        _ => ((x + y) % 2 + x * y % 3) % 2,
    }
}

#[cfg(test)]
#[path = "symbol_tests.rs"]
mod tests;
