//! Reads the code out of a page, as a phone's camera would: the SVG's modules become pixels, a decoder reads them.

use std::collections::HashSet;

/// The link in the page's code. Panics if there is no code, or it cannot be decoded.
pub fn scan(page: &str) -> String {
    let svg = page.split("<svg").find(|part| part.contains("crispEdges")).expect("a code in the page");
    let size: usize = attribute(svg, "viewBox").rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a viewBox");
    let dark = modules(svg);
    let scale = 4;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(size * scale, size * scale, |x, y| {
        if dark.contains(&(x / scale, y / scale)) { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the picture");
    grids[0].decode().expect("a code that decodes").1
}

/// The path of a link, without its origin.
pub fn path_of(link: &str) -> String {
    let after_scheme = link.split("://").nth(1).expect("a link");
    after_scheme[after_scheme.find('/').expect("a path")..].to_owned()
}

fn attribute<'a>(svg: &'a str, name: &str) -> &'a str {
    svg.split(&format!("{name}=\""))
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// Every dark module: `M x y` and `m x y` move, `h n` draws.
fn modules(svg: &str) -> HashSet<(usize, usize)> {
    let path = svg.split("<path").find(|part| part.contains("stroke=")).expect("a path");
    let (mut dark, mut x, mut y) = (HashSet::new(), 0, 0);
    for command in attribute(path, " d").replace('M', "\nM").replace('m', "\nm").replace('h', "\nh").lines().skip(1) {
        let numbers: Vec<usize> = command[1..].split(' ').map(|n| n.parse().expect("a number")).collect();
        match (&command[..1], &numbers[..]) {
            ("M", [column, row]) => (x, y) = (*column, *row),
            ("m", [right, down]) => (x, y) = (x + right, y + down),
            ("h", [length]) => {
                dark.extend((x..x + length).map(|column| (column, y)));
                x += length;
            }
            _ => panic!("no such command: {command}"),
        }
    }
    dark
}
