#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| h264::fuzzing::sps(data));
