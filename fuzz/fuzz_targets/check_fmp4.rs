#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| check::fuzzing::fmp4(data));
