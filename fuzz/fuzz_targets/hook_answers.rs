#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qrgate::fuzzing::hook_answers::check(data));
