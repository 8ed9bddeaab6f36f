//! A link as a picture: an SVG for pages, half blocks for terminals (ISO/IEC 18004, error correction M).
//!
//! The symbol is built from the parts of `qrcode`; the mask is scored here on rows of bits, which is several times
//! faster than asking that crate for the best one.

use std::fmt::Write as _;

use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::types::QrResult;
use qrcode::{Color, EcLevel, bits, ec};

use super::catalogue::escape;

/// Light modules around the symbol that scanners need.
const QUIET: usize = 4;
/// The most a picture measures on a page, in CSS px, before it is enlarged.
const LARGEST: usize = 360;
/// The least a module measures, in CSS px.
const LEAST_MODULE: usize = 4;

const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// A symbol: dark and light modules in a square, without the quiet zone.
struct Symbol {
    modules: Vec<Color>,
    width: usize,
}

/// The link does not fit into any symbol (it is longer than 2331 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the link is too long for a code")
    }
}

impl std::error::Error for TooLong {}

/// Draws `link` as an SVG: black modules on a white card that includes the quiet zone, whatever the theme.
///
/// # Errors
///
/// [`TooLong`].
pub fn svg(link: &str, title: &str) -> Result<String, TooLong> {
    let symbol = symbol(link).map_err(|_| TooLong)?;
    let side = symbol.width + 2 * QUIET;
    let pixels = side * (LARGEST / side).max(LEAST_MODULE);
    let mut out = String::with_capacity(5000);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"code-title\" width=\"{pixels}\" \
         height=\"{pixels}\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><title id=\"code-title\">{}\
         </title><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path stroke=\"#000\" d=\"",
        escape(title)
    );
    for (y, row) in symbol.modules.chunks(symbol.width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                let _ = write!(out, "M{} {}.5h{}", x + QUIET, y + QUIET, run.len());
            }
            x += run.len();
        }
    }
    out.push_str("\"/></svg>");
    Ok(out)
}

/// Draws `link` for a terminal: each character is two modules, one above the other. Black on white by itself, so that
/// it reads in a dark terminal too.
///
/// # Errors
///
/// [`TooLong`].
pub fn terminal(link: &str) -> Result<String, TooLong> {
    let symbol = symbol(link).map_err(|_| TooLong)?;
    let side = symbol.width + 2 * QUIET;
    let mut out = String::new();
    for y in (0..side).step_by(2) {
        out.push_str("\x1b[30;107m");
        for x in 0..side {
            out.push(match (symbol.is_dark(x, y), symbol.is_dark(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        out.push_str("\x1b[0m\n");
    }
    Ok(out)
}

impl Symbol {
    /// Whether a module is dark, counted from the outer corner of the quiet zone. What is outside is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|&at| at < self.width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => self.modules[y * self.width + x] == Color::Dark,
            _ => false,
        }
    }
}

fn symbol(link: &str) -> QrResult<Symbol> {
    let bits = bits::encode_auto(link.as_bytes(), EcLevel::M)?;
    let version = bits.version();
    let width = usize::try_from(version.width()).unwrap_or_default();
    let (data, correction) = ec::construct_codewords(&bits.into_bytes(), version, EcLevel::M)?;
    let mut canvas = Canvas::new(version, EcLevel::M);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    let masked = MASKS.iter().map(|&pattern| {
        let mut canvas = canvas.clone();
        canvas.apply_mask(pattern);
        canvas.into_colors()
    });
    let modules = masked.min_by_key(|modules| penalty(modules, width)).unwrap_or_default();
    Ok(Symbol { modules, width })
}

/// One line of a symbol as bits, the first module lowest; up to 177 modules.
type Line = [u64; 3];

/// How hard a symbol is to read (ISO/IEC 18004, section 7.8.3): long runs, blocks, finder-like patterns, imbalance.
fn penalty(modules: &[Color], width: usize) -> u32 {
    let mut rows = vec![Line::default(); width];
    let mut columns = vec![Line::default(); width];
    let mut dark = 0;
    for (at, _) in modules.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (x, y) = (at % width, at / width);
        rows[y][x / 64] |= 1 << (x % 64);
        columns[x][y / 64] |= 1 << (y % 64);
        dark += 1;
    }
    let lines: u32 = rows.iter().chain(&columns).map(|line| line_penalty(line, width)).sum();
    let blocks: u32 = rows.windows(2).map(|pair| blocks(&pair[0], &pair[1], width)).sum();
    let percent = dark * 100 / (width * width).max(1);
    let imbalance = u32::try_from(percent.abs_diff(50) / 5).unwrap_or_default() * 10;
    lines + blocks * 3 + imbalance
}

fn bit(line: &Line, at: usize) -> bool {
    line[at / 64] >> (at % 64) & 1 == 1
}

/// Runs of five and more, and the finder's 1:1:3:1:1 with four light modules before or after it. Outside is light.
fn line_penalty(line: &Line, width: usize) -> u32 {
    const BEFORE: u16 = 0b000_0101_1101;
    const AFTER: u16 = 0b101_1101_0000;
    let (mut total, mut run, mut window) = (0, 0_u32, 0_u16);
    let mut last = None;
    for at in 0..width + QUIET {
        let is_dark = at < width && bit(line, at);
        window = (window << 1 | u16::from(is_dark)) & 0b111_1111_1111;
        if window == BEFORE || window == AFTER {
            total += 40;
        }
        if at >= width {
            continue;
        }
        run = if last == Some(is_dark) { run + 1 } else { 1 };
        last = Some(is_dark);
        total += match run {
            5 => 3,
            6.. => 1,
            _ => 0,
        };
    }
    total
}

/// How many squares of two by two have one colour.
fn blocks(upper: &Line, lower: &Line, width: usize) -> u32 {
    let shifted = |line: &Line, word: usize| line[word] >> 1 | line.get(word + 1).map_or(0, |next| next << 63);
    let mut count = 0;
    for word in 0..width.div_ceil(64) {
        let (a, b) = (upper[word], lower[word]);
        let (c, d) = (shifted(upper, word), shifted(lower, word));
        let same = !(a ^ b) & !(a ^ c) & !(a ^ d);
        let places = (width - 1).saturating_sub(word * 64).min(64);
        count += (same & u64::MAX.checked_shr(64 - places as u32).unwrap_or(0)).count_ones();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> impl Iterator<Item = String> {
        (0..96_u64).map(|i| {
            let token: String =
                (0..44_u64).map(|j| b"AZaz09-_Qk"[(i * 7 + j * j * (i + 3)) as usize % 10] as char).collect();
            format!("https://app{}.example.com/{}qr/{token}/", i, "x/".repeat(i as usize))
        })
    }

    fn read(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * 4, side * 4, |x, y| {
            if is_dark(x / 4, y / 4) { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    /// The picture as a browser paints it: the runs of the path.
    fn paint(svg: &str) -> (usize, Vec<bool>) {
        let side: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let path = svg.split("stroke=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dots = vec![false; side * side];
        for run in path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, length) = rest.split_once(".5h").unwrap();
            let (x, y, length): (usize, usize, usize) =
                (x.parse().unwrap(), y.parse().unwrap(), length.parse().unwrap());
            dots[y * side + x..y * side + x + length].fill(true);
        }
        (side, dots)
    }

    #[test]
    fn every_picture_reads_as_its_link() {
        for link in links() {
            let (side, dots) = paint(&svg(&link, "").unwrap());
            assert_eq!(read(side, |x, y| dots[y * side + x]), link);
        }
    }

    #[test]
    fn a_terminal_shows_the_same_code() {
        let link = "http://192.168.1.20:8080/";
        let text = terminal(link).unwrap();
        let lines: Vec<Vec<char>> = text
            .lines()
            .map(|line| line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m").chars().collect())
            .collect();
        let side = lines[0].len();
        let is_dark = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        assert_eq!(read(side, is_dark), link);
    }

    #[test]
    fn the_title_is_escaped_and_the_card_is_white() {
        let svg = svg("https://a.example/", "<Code> & \"more\"").unwrap();
        assert!(svg.contains("&lt;Code&gt; &amp; &quot;more&quot;</title><path fill=\"#fff\""));
        assert!(svg.contains("role=\"img\"") && svg.contains("shape-rendering=\"crispEdges\""));
    }

    #[test]
    fn a_picture_measures_240_to_360_px_unless_its_modules_would_get_too_small() {
        for link in links() {
            let svg = svg(&link, "").unwrap();
            let pixels: usize = svg.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
            let (side, _) = paint(&svg);
            assert!(pixels >= 240 && pixels.is_multiple_of(side) && pixels / side >= 4, "{pixels} for {side}");
            assert!(pixels <= 360 || pixels == side * 4);
        }
    }

    #[test]
    fn a_link_beyond_the_largest_symbol_is_refused() {
        assert_eq!(svg(&"x".repeat(2332), ""), Err(TooLong));
        assert!(svg(&"x".repeat(2331), "").is_ok());
    }

    #[test]
    fn the_penalty_counts_runs_blocks_finders_and_imbalance() {
        let line = |text: &str| {
            let mut line = Line::default();
            for (at, _) in text.bytes().enumerate().filter(|(_, b)| *b == b'1') {
                line[at / 64] |= 1 << (at % 64);
            }
            line
        };
        assert_eq!(line_penalty(&line("11111"), 5), 3);
        assert_eq!(line_penalty(&line("1111111"), 7), 5);
        assert_eq!(line_penalty(&line("00001011101"), 11), 80, "with the margin as its light modules too");
        assert_eq!(blocks(&line("1100"), &line("1100"), 4), 2);
        assert_eq!(blocks(&line(&"1".repeat(70)), &line(&"1".repeat(70)), 70), 69);
        assert_eq!(penalty(&[Color::Dark; 4], 2), 3 + 100);
    }
}
