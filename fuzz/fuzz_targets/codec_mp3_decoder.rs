#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzzing::mp3_decoder(data));
