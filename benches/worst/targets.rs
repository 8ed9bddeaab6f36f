// The ten targets that cost most to decide, found by a search over repeated pieces: letters of the reserved paths,
// separators, layers of encoding, characters that normalisation expands, and invalid UTF-8.
//
// Each is a list of pieces and how often each is repeated. `benches/instructions` holds their instructions under a
// ceiling; `src/target/tests.rs` counts their work.
pub const WORST_TARGETS: [&[(&str, usize)]; 10] = [
    &[("/", 1), ("%E0%80%AF", 500), ("%20", 1), ("%3f", 100), ("qr", 20), (".php/qr", 1)],
    &[("/;", 1), ("_qr", 500), ("%253b", 1), ("%CC%81", 2416), ("qr", 1)],
    &[("/%25252e%25252e", 1), ("%25", 5001), ("255c%2eqr", 1)],
    &[("/", 1), (".php/", 3200), ("qr", 1)],
    &[("/", 1), ("%EF%AC%83", 1778), ("qr", 1)],
    &[("/", 1), ("%25EF%25B7%25BA", 6), ("%253f", 1), (".", 5000), ("%25C0%25AF/_qr/login", 1), ("%EF%B7%BAqr", 1)],
    &[("/qrqr%25253b", 1), (".php/", 5), ("%EF%AC%83", 500), ("%2f/../", 1), (";x=1", 2000), ("qr", 1)],
    &[("/%25C0%25AF", 1), ("%uFDFA", 500), ("qr", 1)],
    &[("/", 1), ("q", 5000), ("%25252e", 5), ("%3b", 5), ("qr", 1)],
    &[("/_qr/login-x", 1), ("/..;//./%252e%252e%255c", 300), ("/%EF%B7%BA/qr", 1)],
];
