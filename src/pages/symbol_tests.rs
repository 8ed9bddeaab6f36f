//! Every symbol is read as its text, and the chosen mask has the lowest penalty.

use qrcode::canvas::MaskPattern;

use super::*;

const PATTERNS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// One for each version from 1 to 27, and more.
fn links() -> impl Iterator<Item = String> {
    (0..=76_usize).map(|number| format!("https://a{number}/{}", "qR5/".repeat(number * number / 21)))
}

/// The symbol as `qrcode` draws it under a mask, row by row.
fn drawn_by_qrcode(link: &str, pattern: MaskPattern) -> Vec<Vec<bool>> {
    let bits = bits::encode_auto(link.as_bytes(), EcLevel::M).unwrap();
    let version = bits.version();
    let (words, correction) = ec::construct_codewords(&bits.into_bytes(), version, EcLevel::M).unwrap();
    let mut canvas = Canvas::new(version, EcLevel::M);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&words, &correction);
    canvas.apply_mask(pattern);
    let dark: Vec<bool> = canvas.into_colors().into_iter().map(|color| color == Color::Dark).collect();
    dark.chunks(version.width() as usize).map(<[bool]>::to_vec).collect()
}

fn bools(lines: &[Line]) -> Vec<Vec<bool>> {
    lines.iter().map(|line| (0..lines.len()).map(|at| line >> at & 1 == 1).collect()).collect()
}

fn turned(rows: &[Vec<bool>]) -> Vec<Vec<bool>> {
    (0..rows.len()).map(|x| rows.iter().map(|row| row[x]).collect()).collect()
}

const MARGIN: [bool; 4] = [false; 4];
const FINDER: [bool; 7] = [true, false, true, true, true, false, true];

/// The penalty, counted module by module.
fn counted(rows: &[Vec<bool>]) -> u32 {
    let width = rows.len();
    let mut total = 0;
    for line in rows.iter().chain(&turned(rows)) {
        let runs = line.chunk_by(|a, b| a == b).map(|run| run.len() as u32);
        total += runs.filter(|run| *run >= 5).map(|run| run - 2).sum::<u32>();
        let line = [&MARGIN, line.as_slice(), &MARGIN].concat();
        let finders = line.windows(11).filter(|at| {
            at.starts_with(&FINDER) && at.ends_with(&MARGIN) || at.starts_with(&MARGIN) && at.ends_with(&FINDER)
        });
        total += 40 * finders.count() as u32;
    }
    for (x, y) in (0..(width - 1) * (width - 1)).map(|at| (at % (width - 1), at / (width - 1))) {
        let square = [rows[y][x], rows[y][x + 1], rows[y + 1][x], rows[y + 1][x + 1]];
        total += 3 * u32::from(square == [true; 4] || square == [false; 4]);
    }
    let dark = rows.iter().flatten().filter(|dark| **dark).count();
    total + (dark * 100 / (width * width)).abs_diff(50) as u32 / 5 * 10
}

#[test]
fn every_mask_of_every_version_is_drawn_as_qrcode_draws_it() {
    let mut widths = Vec::new();
    for link in links() {
        let (plain, data) = encode(&link).unwrap();
        widths.push(plain.rows.len());
        for (mask, pattern) in PATTERNS.into_iter().enumerate() {
            let (grid, expected) = (plain.masked(mask, data), drawn_by_qrcode(&link, pattern));
            assert_eq!(bools(&grid.rows), expected, "{link} under {pattern:?}");
            assert_eq!(bools(&grid.columns), turned(&expected), "{link} under {pattern:?}");
        }
    }
    widths.dedup();
    assert_eq!(widths, (1..=27).map(|version| 17 + 4 * version).collect::<Vec<_>>());
}

#[test]
fn the_mask_with_the_least_penalty_is_taken() {
    for link in links().step_by(4) {
        let all = PATTERNS.map(|pattern| drawn_by_qrcode(&link, pattern));
        let penalties = all.each_ref().map(|rows| counted(rows));
        let (plain, data) = encode(&link).unwrap();
        assert_eq!(std::array::from_fn(|mask| plain.masked(mask, data).penalty()), penalties, "{link}");
        let best = all.into_iter().min_by_key(|rows| counted(rows)).unwrap();
        assert_eq!(bools(&Symbol::of(&link).unwrap().rows), best, "{link}");
    }
}

#[test]
fn the_penalty_counts_runs_finders_blocks_and_imbalance() {
    assert_eq!(line_penalty(0b11111, 5), 3);
    assert_eq!(line_penalty(0b111_1111, 7), 5);
    assert_eq!(line_penalty(0b111_1101_1111, 11), 6);
    assert_eq!(line_penalty(0b101_1101_0000, 11), 80, "with the margin as its light modules too");
    assert_eq!(blocks(0b0011, 0b0011, 4), 2);
    assert_eq!(blocks(ones(70), ones(70), 70), 69);
    assert_eq!(Grid { rows: vec![3; 2], columns: vec![3; 2] }.penalty(), 3 + 100);
}
