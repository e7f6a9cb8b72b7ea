//! Configurations and headers that other programs wrote: what FFmpeg says of the file is what we
//! read, and the headers are the ones we would have written.

use aac::{AudioSpecificConfig, Error, adts_header};

/// The DecoderSpecificInfo of the first `esds` box: descriptors 3, 4 and 5 with lengths of up to
/// four bytes.
fn config_of_mp4(file: &[u8]) -> Vec<u8> {
    let esds = file.windows(4).position(|window| window == b"esds").expect("an esds box");
    let mut rest = &file[esds + 8..];
    for (tag, fields) in [(3, 3), (4, 13)] {
        let (found, _, body) = descriptor(rest);
        assert_eq!(found, tag);
        rest = &body[fields..];
    }
    let (tag, len, body) = descriptor(rest);
    assert_eq!(tag, 5);
    body[..len].to_vec()
}

fn descriptor(data: &[u8]) -> (u8, usize, &[u8]) {
    let mut len = 0;
    for (index, byte) in data[1..].iter().enumerate() {
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return (data[0], len, &data[index + 2..]);
        }
    }
    panic!("endless length");
}

#[test]
fn the_configuration_of_an_mp4_file_with_he_aac() {
    let Some(file) = testmedia::find_and_read("aac/heaac_v1_22k.m4a") else { return };
    let he = AudioSpecificConfig::parse(&config_of_mp4(&file)).expect("HE-AAC");
    assert_eq!(
        (he.codec_string().as_str(), he.output_sample_rate_hz(), he.sample_rate_hz),
        ("mp4a.40.5", 22_050, 11_025)
    );
    assert_eq!(he.channels, 1, "FFmpeg gives 2: parametric stereo might still come");
}

#[test]
fn the_configuration_of_an_mp4_file_with_5_1() {
    let Some(file) = testmedia::find_and_read("aac/lc_5_1_16k.m4a") else { return };
    let surround = AudioSpecificConfig::parse(&config_of_mp4(&file)).expect("LC");
    assert_eq!(
        (surround.codec_string().as_str(), surround.sample_rate_hz, surround.channels),
        ("mp4a.40.2", 16_000, 6)
    );
}

#[test]
fn the_configuration_of_an_mp4_file_with_xhe_aac_is_refused() {
    let file = testmedia::read("aac/xheaac_44k_mono.mp4");
    assert_eq!(
        AudioSpecificConfig::parse(&config_of_mp4(&file)),
        Err(Error::ObjectType { actual: 42 })
    );
}

/// ADTS headers (7 bytes, without CRC) and payload lengths of a file, walked by its own frame
/// lengths.
fn headers(file: &[u8]) -> Vec<([u8; 7], usize)> {
    let mut headers = Vec::new();
    let mut rest = file;
    while let Some(header) = rest.first_chunk::<7>() {
        assert_eq!((header[0], header[1] & 0xf7), (0xff, 0xf1), "frame {}", headers.len());
        let len = usize::from(header[3] & 3) << 11
            | usize::from(header[4]) << 3
            | usize::from(header[5] >> 5);
        headers.push((*header, len - 7));
        rest = rest.get(len..).unwrap_or_default();
    }
    headers
}

/// Writes every header anew; the ID bit (MPEG-2 or -4) and the buffer fullness are the encoder's
/// choice.
fn expect_same_headers(name: &str, config: &[u8], frames: usize) {
    let Some(file) = testmedia::find_and_read(name) else { return };
    let config = AudioSpecificConfig::parse(config).expect("a good configuration");
    let headers = headers(&file);
    assert_eq!(headers.len(), frames, "{name}");
    for (theirs, payload_bytes) in headers {
        let ours = adts_header(&config, payload_bytes).expect("ADTS can say it");
        let comparable =
            |h: [u8; 7]| [h[0], h[1] & 0xf7, h[2], h[3] & 0xc3, h[4], h[5] & 0xe0, h[6] & 3];
        assert_eq!(comparable(ours), comparable(theirs), "{name}");
    }
}

#[test]
fn headers_of_adts_files() {
    expect_same_headers("aac/srs_avatar.aac", &[0x12, 0x10], 1102);
    expect_same_headers("aac/truncated_cbs.adts", &[0x12, 0x08], 144);
    expect_same_headers("corpora/aac/taglib_empty1s.aac", &[0x15, 0x08], 12);
}

#[test]
fn configurations_that_crashed_or_fooled_another_parser_do_no_harm() {
    for (name, data) in testmedia::files_in("corpora/aac") {
        if let Ok(config) = AudioSpecificConfig::parse(&data) {
            assert!(config.channels > 0 && config.sample_rate_hz > 0, "{name}");
        }
    }
}
