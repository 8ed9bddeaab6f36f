#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qrgate::fuzzing::requests::check(data));
