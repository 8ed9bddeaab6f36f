//! Colours: the operator's accent where it can be read, in the light and in the dark.

use std::fmt::Write as _;

/// What links and buttons lie on: the card, and in the dark its lighter tint (style.css).
const LIGHT_CARD: Rgb = Rgb(0xff, 0xff, 0xff);
const DARK_CARD: Rgb = Rgb(0x24, 0x28, 0x2f);
/// The text colours (style.css): what takes the place of an accent that cannot be read.
const LIGHT_TEXT: Rgb = Rgb(0x1b, 0x1d, 0x21);
/// Contrast that text needs (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl Rgb {
    fn parse(text: &str) -> Option<Rgb> {
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let value = u32::from_str_radix(digits, 16).ok()?;
        let [_, r, g, b] = value.to_be_bytes();
        match digits.len() {
            6 => Some(Rgb(r, g, b)),
            3 => {
                let wide = |shift: u32| (value >> shift & 0xf) as u8 * 0x11;
                Some(Rgb(wide(8), wide(4), wide(0)))
            }
            _ => None,
        }
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    fn contrast(self, other: Rgb) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The colour nearest to this one on the way to white that can be read on `ground`.
    fn lightened_for(self, ground: Rgb) -> Rgb {
        let step = |i: u32| {
            let mix = |c: u8| (u32::from(c) + (255 - u32::from(c)) * i / 20) as u8;
            Rgb(mix(self.0), mix(self.1), mix(self.2))
        };
        (0..=20).map(step).find(|colour| colour.contrast(ground) >= READABLE).unwrap_or(Rgb(255, 255, 255))
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// The first lines of every style sheet, and what an operator should be told about the accent.
///
/// On a light page the accent stands as it is, or gives way to the text colour where it cannot be read. On a dark page
/// it is lightened until it can.
pub(super) fn variables(accent: &str) -> (String, Option<String>) {
    let given = Rgb::parse(accent);
    let readable = given.filter(|colour| colour.contrast(LIGHT_CARD) >= READABLE);
    let complaint = match (given, readable) {
        (None, _) => Some(format!("pages.accent: `{accent}` is not a colour like #0b57d0; the text colour is used")),
        (Some(colour), None) => Some(format!(
            "pages.accent: {accent} has a contrast of {:.1} on white, {READABLE} are needed; the text colour is used",
            colour.contrast(LIGHT_CARD)
        )),
        _ => None,
    };
    let light = readable.unwrap_or(LIGHT_TEXT);
    let dark = given.unwrap_or(Rgb(255, 255, 255)).lightened_for(DARK_CARD);
    let mut css = String::new();
    let _ = write!(css, ":root{{--accent:{light};--on-accent:#fff}}");
    let _ = write!(css, "@media (prefers-color-scheme:dark){{:root{{--accent:{dark};--on-accent:#111317}}}}");
    (css, complaint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_accent_stands_and_is_lightened_in_the_dark() {
        let (css, complaint) = variables("#0b57d0");
        assert_eq!(complaint, None);
        assert!(css.starts_with(":root{--accent:#0b57d0;"));
        let dark = Rgb::parse("#0b57d0").unwrap().lightened_for(DARK_CARD);
        assert!(dark.contrast(DARK_CARD) >= READABLE && dark.contrast(Rgb(0x11, 0x13, 0x17)) >= READABLE);
    }

    #[test]
    fn an_accent_that_cannot_be_read_gives_way_to_the_text_colour() {
        for accent in ["#ffff00", "#fff", "rgb(1,2,3)", "#12345"] {
            let (css, complaint) = variables(accent);
            assert!(css.starts_with(":root{--accent:#1b1d21;"), "{accent}");
            assert!(complaint.unwrap().contains(accent));
        }
    }

    #[test]
    fn contrast_is_measured_as_wcag_says() {
        assert!((Rgb(0, 0, 0).contrast(Rgb(255, 255, 255)) - 21.0).abs() < 0.01);
        assert_eq!(Rgb::parse("#0b57d0"), Some(Rgb(0x0b, 0x57, 0xd0)));
        assert_eq!(Rgb::parse("#fa0"), Some(Rgb(0xff, 0xaa, 0)));
    }
}
