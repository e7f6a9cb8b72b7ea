#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| h264_decoder::fuzzing::slices(data));
