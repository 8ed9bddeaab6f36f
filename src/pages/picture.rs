//! A link as a picture: an SVG for pages, half blocks for terminals.

use std::fmt::Write as _;

use thiserror::Error;

use super::catalogue::escape;
use super::symbol::{Line, Symbol};

/// Light modules around the symbol that scanners need.
const QUIET: usize = 4;
/// Maximum width of a picture in CSS px, unless modules would be smaller than [`LEAST_MODULE`].
const LARGEST: usize = 360;
/// Minimum width of a module in CSS px.
const LEAST_MODULE: usize = 4;

/// The link is longer than 1125 bytes and does not fit into a symbol that phones can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the link is too long for a code")]
pub struct TooLong;

/// Draws `link` as an SVG: black modules on a white card that includes the quiet zone, whatever the theme.
pub fn svg(link: &str, title: &str) -> Result<String, TooLong> {
    let symbol = Symbol::of(link).map_err(|_| TooLong)?;
    let side = symbol.width() + 2 * QUIET;
    let pixels = side * (LARGEST / side).max(LEAST_MODULE);
    let mut out = String::with_capacity(5000);
    let _ = write!(
        out,
        "<svg role=\"img\" shape-rendering=\"crispEdges\" width=\"{pixels}\" \
         height=\"{pixels}\" viewBox=\"0 0 {side} {side}\"><title>{}</title>\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\
         <path transform=\"translate(0 .5)\" stroke=\"#000\" d=\"",
        escape(title)
    );
    for (y, row) in symbol.rows.iter().enumerate() {
        draw_row(*row, y + QUIET, &mut out);
    }
    out.push_str("\"/></svg>");
    Ok(out)
}

/// A line for each run of dark modules, which begins where the one before it ended. A picture has a thousand numbers,
/// so digits are written directly.
fn draw_row(row: Line, y: usize, out: &mut String) {
    out.push('M');
    push_number(QUIET, out);
    out.push(' ');
    push_number(y, out);
    let mut left = row;
    while left != 0 {
        let light = left.trailing_zeros();
        let dark = (!(left >> light)).trailing_zeros();
        if light > 0 {
            out.push('m');
            push_number(light as usize, out);
            out.push_str(" 0");
        }
        out.push('h');
        push_number(dark as usize, out);
        // In two shifts, since one by all 128 bits would overflow.
        left = left >> light >> dark;
    }
}

fn push_number(number: usize, out: &mut String) {
    let digit = |place: usize| char::from(b'0' + (number / place % 10) as u8);
    for place in [100, 10, 1] {
        if number >= place || place == 1 {
            out.push(digit(place));
        }
    }
}

/// Draws `link` for a terminal: each character is two modules, one above the other. With `colour` black on white by
/// itself, so that it reads in a dark terminal too; without, the light modules are drawn, as most terminals are dark.
pub fn terminal(link: &str, colour: bool) -> Result<String, TooLong> {
    let symbol = Symbol::of(link).map_err(|_| TooLong)?;
    let side = symbol.width() + 2 * QUIET;
    // Coordinates include the quiet zone. Those before the symbol wrap around and are light.
    let is_dark = |x: usize, y: usize| symbol.is_dark(x.wrapping_sub(QUIET), y.wrapping_sub(QUIET));
    let is_drawn = |x: usize, y: usize| is_dark(x, y) == colour;
    let (begin, end) = if colour { ("\x1b[30;107m", "\x1b[0m\n") } else { ("", "\n") };
    let mut out = String::new();
    for y in (0..side).step_by(2) {
        out.push_str(begin);
        for x in 0..side {
            out.push(match (is_drawn(x, y), is_drawn(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        out.push_str(end);
    }
    Ok(out)
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
