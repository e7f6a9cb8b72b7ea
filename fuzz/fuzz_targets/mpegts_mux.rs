#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| mpegts::fuzzing::mux(data));
