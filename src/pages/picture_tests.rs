//! The picture holds the symbol that it was made of.

use super::*;

fn links() -> impl Iterator<Item = String> {
    (0..96_u64).map(|i| {
        let token: String =
            (0..44_u64).map(|j| b"AZaz09-_Qk"[(i * 7 + j * j * (i + 3)) as usize % 10] as char).collect();
        format!("https://app{}.example.com/{}qr/{token}/", i, "x/".repeat(i as usize))
    })
}

fn read(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(
            side * 4,
            side * 4,
            |x, y| {
                if is_dark(x / 4, y / 4) { 0 } else { 255 }
            },
        );
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

/// The picture as a browser paints it: the runs of the path.
fn paint(svg: &str) -> (usize, Vec<bool>) {
    let side: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let path = svg.split("stroke=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut dots = vec![false; side * side];
    let (mut x, mut y) = (0, 0);
    for command in path.replace('M', "\nM").replace('m', "\nm").replace('h', "\nh").lines().skip(1) {
        let numbers: Vec<usize> = command[1..].split(' ').map(|number| number.parse().unwrap()).collect();
        match (&command[..1], &numbers[..]) {
            ("M", [column, row]) => (x, y) = (*column, *row),
            ("m", [right, 0]) => x += right,
            ("h", [length]) => {
                dots[y * side + x..y * side + x + length].fill(true);
                x += length;
            }
            _ => panic!("{command}"),
        }
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
fn a_terminal_shows_the_same_code_with_colour_and_without() {
    let link = "http://192.168.1.20:8080/";
    for colour in [true, false] {
        let text = terminal(link, colour).unwrap();
        assert_eq!(text.contains('\x1b'), colour);
        let lines: Vec<Vec<char>> = text
            .lines()
            .map(|line| line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m").chars().collect())
            .collect();
        let side = lines[0].len();
        let is_drawn = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        assert_eq!(read(side, |x, y| is_drawn(x, y) == colour), link);
    }
}

#[test]
fn the_title_is_escaped_and_the_card_is_white() {
    let svg = svg("https://a.example/", "<Code> & \"more\"").unwrap();
    assert!(svg.contains("&lt;Code&gt; &amp; &quot;more&quot;</title><path fill=\"#fff\""));
    assert!(svg.starts_with("<svg role=\"img\" shape-rendering=\"crispEdges\" ") && svg.contains("><title>&lt;Code"));
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
fn a_link_beyond_what_phones_can_read_is_refused() {
    assert_eq!(svg(&"x".repeat(1126), ""), Err(TooLong));
    assert!(svg(&"x".repeat(1125), "").is_ok());
}
