//! sRGB colours: WCAG contrast, and lightness changed in OKLCH so that hue and chroma stay.

/// An sRGB colour with eight bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);
pub(super) const BLACK: Rgb = Rgb(0, 0, 0);

/// Steps of the search for a contrast, between a colour and black or white.
const STEPS: u32 = 100;

impl Rgb {
    /// Parses `#rgb` and `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Rgb> {
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

    /// The contrast ratio of two colours, 1 to 21 (WCAG 2.2).
    pub(super) fn contrast(self, other: Rgb) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The nearest darker colour of the same hue with at least `contrast` to `ground`, or black.
    pub(super) fn darkened(self, ground: Rgb, contrast: f64) -> Rgb {
        self.toward(0.0, ground, contrast).unwrap_or(BLACK)
    }

    /// The nearest lighter colour of the same hue with at least `contrast` to `ground`, or white.
    pub(super) fn lightened(self, ground: Rgb, contrast: f64) -> Rgb {
        self.toward(1.0, ground, contrast).unwrap_or(WHITE)
    }

    /// Whether it is a grey, black or white.
    pub(super) fn is_grey(self) -> bool {
        /// Chroma in OKLCH; a dark navy has 0.05.
        const HUELESS: f64 = 0.03;
        let Oklab { a, b, .. } = Oklab::of(self);
        a.hypot(b) < HUELESS
    }

    fn toward(self, lightness: f64, ground: Rgb, contrast: f64) -> Option<Rgb> {
        if self.contrast(ground) >= contrast {
            return Some(self);
        }
        let own = Oklab::of(self);
        let step = |i| own.l + (lightness - own.l) * f64::from(i) / f64::from(STEPS);
        (1..=STEPS).map(|i| own.at_lightness(step(i))).find(|colour| colour.contrast(ground) >= contrast)
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2).
    fn luminance(self) -> f64 {
        let [r, g, b] = self.linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn linear(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// `None` outside the sRGB gamut.
    fn of_linear(linear: [f64; 3]) -> Option<Rgb> {
        /// Less than half of an eight-bit step.
        const ROUNDING: f64 = 1e-4;
        if linear.iter().any(|c| !(-ROUNDING..=1.0 + ROUNDING).contains(c)) {
            return None;
        }
        let [r, g, b] = linear.map(|c| {
            let c = c.clamp(0.0, 1.0);
            let encoded = if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
            (encoded * 255.0).round() as u8
        });
        Some(Rgb(r, g, b))
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// A colour in Oklab (<https://bottosson.github.io/posts/oklab/>), of which OKLCH is the polar form.
#[derive(Clone, Copy)]
struct Oklab {
    l: f64,
    a: f64,
    b: f64,
}

impl Oklab {
    fn of(colour: Rgb) -> Oklab {
        let [r, g, b] = colour.linear();
        let long = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let medium = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let short = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        Oklab {
            l: 0.210_454_255_3 * long + 0.793_617_785_0 * medium - 0.004_072_046_8 * short,
            a: 1.977_998_495_1 * long - 2.428_592_205_0 * medium + 0.450_593_709_9 * short,
            b: 0.025_904_037_1 * long + 0.782_771_766_2 * medium - 0.808_675_766_0 * short,
        }
    }

    fn linear(self) -> [f64; 3] {
        let long = (self.l + 0.396_337_777_4 * self.a + 0.215_803_757_3 * self.b).powi(3);
        let medium = (self.l - 0.105_561_345_8 * self.a - 0.063_854_172_8 * self.b).powi(3);
        let short = (self.l - 0.089_484_177_5 * self.a - 1.291_485_548_0 * self.b).powi(3);
        [
            4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
            -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
            -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
        ]
    }

    /// This hue at another lightness, with as much of its chroma as sRGB can show.
    fn at_lightness(self, l: f64) -> Rgb {
        let with_chroma = |part: f64| Rgb::of_linear(Oklab { l, a: self.a * part, b: self.b * part }.linear());
        if let Some(colour) = with_chroma(1.0) {
            return colour;
        }
        let (mut inside, mut outside) = (0.0, 1.0);
        for _ in 0..12 {
            let middle = (inside + outside) / 2.0;
            match with_chroma(middle) {
                Some(_) => inside = middle,
                None => outside = middle,
            }
        }
        with_chroma(inside).unwrap_or(if l < 0.5 { BLACK } else { WHITE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hue(colour: Rgb) -> f64 {
        let Oklab { a, b, .. } = Oklab::of(colour);
        b.atan2(a).to_degrees()
    }

    #[test]
    fn colours_are_read_in_both_forms() {
        assert_eq!(Rgb::parse("#0b57d0"), Some(Rgb(0x0b, 0x57, 0xd0)));
        assert_eq!(Rgb::parse("#fa0"), Some(Rgb(0xff, 0xaa, 0)));
        for other in ["", "#", "0b57d0", "#12345", "#ggg", "rgb(1,2,3)", "#+12"] {
            assert_eq!(Rgb::parse(other), None, "{other}");
        }
    }

    #[test]
    fn contrast_is_measured_as_wcag_says() {
        for (a, b, ratio) in [(BLACK, WHITE, 21.0), (WHITE, WHITE, 1.0), (Rgb(0x76, 0x76, 0x76), WHITE, 4.54)] {
            assert!((a.contrast(b) - ratio).abs() < 0.01, "{a} on {b}: {}", a.contrast(b));
        }
    }

    #[test]
    fn lightness_changes_until_the_contrast_is_there_and_the_hue_stays() {
        let dark = Rgb(0x24, 0x28, 0x2f);
        for accent in ["#0b57d0", "#0f766e", "#c2185b", "#7a3e00", "#ffc400", "#00ff00", "#0000ff", "#ff0000"] {
            let accent = Rgb::parse(accent).unwrap();
            for (name, changed, ground) in
                [("darker", accent.darkened(WHITE, 4.5), WHITE), ("lighter", accent.lightened(dark, 4.5), dark)]
            {
                assert!(changed.contrast(ground) >= 4.5, "{accent} {name}: {changed}");
                let turned = (hue(accent) - hue(changed) + 540.0).rem_euclid(360.0) - 180.0;
                assert!(turned.abs() < 3.0, "{accent} {name}: {changed} turned by {turned}");
            }
        }
    }

    #[test]
    fn a_colour_that_has_the_contrast_stays_as_it_is() {
        let accent = Rgb(0xff, 0xc4, 0);
        assert_eq!(accent.lightened(BLACK, 4.5), accent);
        assert_eq!(accent.darkened(BLACK, 4.5), accent);
    }

    #[test]
    fn black_white_and_slate_are_grey_and_navy_is_not() {
        for (colour, expected) in [
            ("#000", true),
            ("#fff", true),
            ("#111317", true),
            ("#808080", true),
            ("#10243f", false),
            ("#ffc400", false),
        ] {
            assert_eq!(Rgb::parse(colour).unwrap().is_grey(), expected, "{colour}");
        }
    }

    #[test]
    fn grey_stays_grey() {
        for changed in [BLACK.lightened(Rgb(0x24, 0x28, 0x2f), 4.5), WHITE.darkened(WHITE, 4.5)] {
            assert!(changed.0 == changed.1 && changed.1 == changed.2, "{changed}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_black_or_white() {
        assert_eq!(Rgb(0x80, 0x80, 0x80).darkened(BLACK, 7.0), BLACK);
        assert_eq!(Rgb(0x80, 0x80, 0x80).lightened(WHITE, 4.5), WHITE);
    }
}
