//! The operator's accent colour in both themes, as CSS variables.

use super::colour::{BLACK, Rgb, WHITE};

/// The backgrounds in templates/style.css for text in the accent that are hardest to contrast: the page in the light
/// theme, the tinted card in the dark one.
const LIGHT_GROUND: Rgb = Rgb(0xf3, 0xf4, 0xf6);
const LIGHT_CARD: Rgb = WHITE;
const DARK_TINT: Rgb = Rgb(0x24, 0x28, 0x2f);
const DARK_TEXT: Rgb = Rgb(0xec, 0xee, 0xf1);
/// Fallback if `pages.accent` is not a colour, which the configuration refuses.
const DEFAULT: Rgb = Rgb(0x0b, 0x57, 0xd0);
/// Contrast of text (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;
/// Contrast of a control's border (WCAG 2.2, 1.4.11).
const VISIBLE: f64 = 3.0;

/// The accent in one theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accent {
    /// Background of the main button.
    fill: Rgb,
    /// Text on `fill`.
    on_fill: Rgb,
    /// Border of `fill` and of the number, on the card.
    edge: Rgb,
    /// Links, on card and page.
    text: Rgb,
}

impl Accent {
    /// On a light page the fill is the accent itself. Border and text are darkened as necessary.
    fn light(accent: Rgb) -> Accent {
        Accent {
            fill: accent,
            on_fill: text_on(accent),
            edge: accent.darkened(LIGHT_CARD, VISIBLE),
            text: accent.darkened(LIGHT_GROUND, READABLE),
        }
    }

    /// On a dark page all three are the accent, lightened until it is readable. A black accent becomes the text colour,
    /// because a grey button looks disabled.
    fn dark(accent: Rgb) -> Accent {
        let is_readable = accent.contrast(DARK_TINT) >= READABLE;
        let fill = if accent.is_grey() && !is_readable { DARK_TEXT } else { accent.lightened(DARK_TINT, READABLE) };
        Accent { fill, on_fill: text_on(fill), edge: fill, text: fill }
    }

    fn variables(self) -> String {
        let Accent { fill, on_fill, edge, text } = self;
        format!("--accent:{fill};--on-accent:{on_fill};--accent-edge:{edge};--accent-text:{text}")
    }
}

/// White if it is readable, else black. One of the two always is.
fn text_on(fill: Rgb) -> Rgb {
    if fill.contrast(WHITE) >= READABLE { WHITE } else { BLACK }
}

/// Background and text of a tile in the accent.
pub(super) fn tile(accent: &str) -> (Rgb, Rgb) {
    let fill = Rgb::parse(accent).unwrap_or(DEFAULT);
    (fill, text_on(fill))
}

/// The first lines of every style sheet.
pub(super) fn variables(accent: &str) -> String {
    let accent = Rgb::parse(accent).unwrap_or(DEFAULT);
    let (light, dark) = (Accent::light(accent).variables(), Accent::dark(accent).variables());
    format!(":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DARK_GROUND: Rgb = Rgb(0x11, 0x13, 0x17);

    /// Accents of well-known kinds, from near black to near white.
    const ACCENTS: [&str; 14] = [
        "#000000", "#111317", "#0b57d0", "#0f766e", "#c2185b", "#e2001a", "#ff6600", "#1a8cff", "#00c853", "#808080",
        "#ffc400", "#ffff00", "#f5f5f5", "#ffffff",
    ];

    #[test]
    fn every_accent_is_readable_and_visible_in_both_themes() {
        for accent in ACCENTS {
            let parsed = Rgb::parse(accent).unwrap();
            let (light, dark) = (Accent::light(parsed), Accent::dark(parsed));
            assert_eq!(light.fill, parsed, "the fill is the operator's own colour");
            for (theme, one, grounds) in
                [("light", light, [LIGHT_GROUND, LIGHT_CARD]), ("dark", dark, [DARK_GROUND, DARK_TINT])]
            {
                assert!(one.on_fill.contrast(one.fill) >= READABLE, "{accent} {theme}: the button's text");
                for ground in grounds {
                    assert!(one.text.contrast(ground) >= READABLE, "{accent} {theme}: text on {ground}");
                }
                assert!(one.edge.contrast(grounds[1]) >= VISIBLE, "{accent} {theme}: the button's edge");
            }
        }
    }

    #[test]
    fn accents_look_like_themselves() {
        let shown = |accent: &str| variables(accent);
        for (accent, expected) in [
            ("#0b57d0", ":root{--accent:#0b57d0;--on-accent:#ffffff;--accent-edge:#0b57d0;--accent-text:#0b57d0}"),
            ("#ffc400", ":root{--accent:#ffc400;--on-accent:#000000;--accent-edge:"),
            (
                "#ffc400",
                "(prefers-color-scheme:dark){:root{--accent:#ffc400;--on-accent:#000000;--accent-edge:#ffc400;--accent-text:#ffc400}}",
            ),
            ("#000", ":root{--accent:#000000;--on-accent:#ffffff;--accent-edge:#000000;--accent-text:#000000}"),
            ("#000", "(prefers-color-scheme:dark){:root{--accent:#eceef1;--on-accent:#000000;"),
            ("none", ":root{--accent:#0b57d0;"),
        ] {
            assert!(shown(accent).contains(expected), "{accent}: {}", shown(accent));
        }
    }
}
