#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| source::fuzzing::mp4_file(data));
