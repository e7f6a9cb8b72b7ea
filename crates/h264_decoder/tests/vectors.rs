//! Conformance vectors: every sample equal to the reference decoder's, or refused by name.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use h264_decoder::{Decoder, Error, Instructions, Limits, Refusal};
use media::Timestamp;
use support::{Decoded, Md5, access_units, decode, decode_with};

/// MD5 of all pictures, cropped, in output order, Y, U and V; monochrome with grey chroma
/// (`MANIFEST.md`).
const EXACT: [(&str, &str); 66] = [
    ("Adobe_PDF_sample_a_1024x768_50Frms.264", "ffd763646b5ef75d554e22fa389e13fd"),
    ("BA1_FT_C.264", "4f2da01d1d1ae7b99bea3fe1fb9e8ef4"),
    ("BAMQ1_JVC_C.264", "bad372deef52c08fc1e384ecd1a43137"),
    ("BAMQ2_JVC_C.264", "e3f5d5b0774b55370745f2d04f009575"),
    ("BASQP1_Sony_C.jsv", "9e9c06cfc882a3f618b6ad40811c1331"),
    ("BA_MW_D.264", "7d5d351ad061640294bf43a43150fbca"),
    ("CABA3_SVA_B.264", "63a0f8fdcbb87b0dff330acdd10905c0"),
    ("CABA3_TOSHIBA_E.264", "13651d01c5b533e6b7aa132bae7669ed"),
    ("CAFI1_SVA_C.264", "8f249706ddaeda94c4899c1f3954476e"),
    ("CAMA3_Sand_E.264", "44ed473e4749ef88e040573cbb236381"),
    ("CI1_FT_B.264", "6832762976b6d48719bb6cb603acd988"),
    ("CI_MW_D.264", "037becca5bc836b869aba825293d39a3"),
    ("CVFC1_Sony_C.jsv", "9fdb17e17d332b5d9752362c9c7ff9b0"),
    ("CVPCMNL1_SVA_C.264", "5c1fd0f68e875200711febf1d683e58f"),
    ("Cisco_Adobe_PDF_sample_a_1024x768_CAVLC_Bframe_9.264", "e5488a1cb151791e8346e87844b4411f"),
    ("Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", "4b066601ae83b70157f244e9091da3a0"),
    ("FREXT01_JVC_D.264", "34287e0608dc68efc9edf4eda6bbb434"),
    ("FRExt1_Panasonic.avc", "f7023a3a93cc98c0c8d83c1deaf11048"),
    ("FRExt2_Panasonic.avc", "f4f02595e54be89fd9d33cb7907f5cb1"),
    ("FRExt3_Panasonic.avc", "231e4f3105f75a3602161ec484bbd8e3"),
    ("FRExt4_Panasonic.avc", "73e8c29786302b23808b3025631a9f19"),
    ("FRExt_MMCO4_Sony_B.264", "b10b53b906890855c0d8c36b58791957"),
    ("Freh1_B.264", "db518876d19957db06d0558a5ed06415"),
    ("Freh2_B.264", "29a932cf3b6bcdfa3280bdea3d29e683"),
    ("HCAFF1_HHI.264", "ededf9476ef00e99b1c61432f69ff330"),
    ("HCAFR2_HHI.264", "2cf79df7dd8b0d9796250e0e219fdebb"),
    ("HCAFR3_HHI.264", "06471784550ffe7d8aae9a274db35b5c"),
    ("HCAMFF1_HHI.264", "2973f5376378cde879649160d4a46a98"),
    ("HCBP2_HHI_A.264", "6c689d1541f97dcc1a17f5bdb6569cf1"),
    ("HPCAFL_BRCM_C.264", "c2a318c464e8f77ab7548947fc3b3d67"),
    ("HPCALQ_BRCM_B.264", "41d1fba4e8f8c9b56c172dbe6d6bea23"),
    ("HPCAMAPALQ_BRCM_B.264", "fd4f4a076fc0f5fdc096f75f8bc2d64f"),
    ("HPCAMOLQ_BRCM_B.264", "7c6f597211ece8ac869f139094a165a8"),
    ("HPCAQ2LQ_BRCM_B.264", "cf81785c89930d5b1c191a1ef4cb9e83"),
    ("HPCA_BRCM_C.264", "5eafc104844211893e1d8af0b8b66ed6"),
    ("HPCVFL_BRCM_A.264", "c2a318c464e8f77ab7548947fc3b3d67"),
    ("HPCVMOLQ_BRCM_B.264", "360eac5edfd332e46197deaa578d7b9a"),
    ("HPCV_BRCM_A.264", "5eafc104844211893e1d8af0b8b66ed6"),
    ("MR1_BT_A.h264", "6ea31a214aadd8bdc8e7d37195d91c81"),
    ("MR1_MW_A.264", "8c03b4a5b27a6f594d917d6fee1d86e6"),
    ("MR2_MW_A.264", "20e66bac06e537fb1d2fa949b28046cd"),
    ("NL3_SVA_E.264", "c90ce3fa732df9f7e25f110233f0f466"),
    ("NLMQ1_JVC_C.264", "5c4a2f6b39385805f480a3a4432873b2"),
    ("NLMQ2_JVC_C.264", "90b70fbaa5ca679ec9bf5e011ddba8f9"),
    ("QCIF_2P_I_allIPCM.264", "f52827c1bcbe1f37a66b6075728ed29a"),
    ("SVA_BA1_B.264", "dab92aa2145ab44abab2beb2868dd326"),
    ("SVA_BA2_D.264", "66130b14295574bf35b725a8eaded3ae"),
    ("SVA_Base_B.264", "180dda3234bcbe57fc45587dac7d43fb"),
    ("SVA_FM1_E.264", "7f7eaf6107852b871a3894a950e3647e"),
    ("SVA_NL1_B.264", "b5626983ac0877497fff9a4b10d2f1d4"),
    ("SarVui.264", "66130b14295574bf35b725a8eaded3ae"),
    ("Static.264", "837d81f877a5c0c25dd1297830f87ea9"),
    ("VID_1280x720_cabac_temporal_direct.264", "baf507065b3ee34f8b18b6a13e8c68f6"),
    ("VID_1280x720_cavlc_temporal_direct.264", "46e7cbcfa0ac27f809f3e40dd830a7ab"),
    ("Zhling_1280x720.264", "cce94ac8111d405a14cc143e5fe9f7f2"),
    ("freh10.264", "3a852255a47ea049fdf9c60aa40f7e48"),
    ("freh3.264", "6f1772152386e2897b539956a5e66c6e"),
    ("freh4.264", "095a029ffffbf8f01745494f0a5ad435"),
    ("freh5.264", "7581895b9cd4244e18b4ab8f0597a900"),
    ("freh8.264", "611587da4a5bcbe01724572980520cf4"),
    ("test8b43.264", "921c816c14170ead03c19c5c9ed3c0a4"),
    ("test_cif_I_CABAC_slice.264", "591b2bc23afc530c2953a6795fdf80cd"),
    ("test_qcif_cabac.264", "903eb35582bebe387e8dd80d29569d4d"),
    ("test_scalinglist_jm.264", "8b06af51f94d9a45a6b9f5efa1894a8b"),
    ("test_vd_1d.264", "ee19ae532729a814e84ff7b52e8a9a87"),
    ("test_vd_rc.264", "bb78ac508ab004fe6c66c85a33b6128f"),
];

const REFUSED: [(&str, Refusal); 7] = [
    ("FM2_SVA_C.264", Refusal::SliceGroups { slice_groups: 3 }),
    ("PPH10I1_Panasonic_A.264", Refusal::BitDepth { bits: 10 }),
    ("PPH10I2_Panasonic_A.264", Refusal::BitDepth { bits: 10 }),
    ("PPH10I3_Panasonic_A.264", Refusal::BitDepth { bits: 10 }),
    ("PPH10I6_Panasonic_A.264", Refusal::BitDepth { bits: 10 }),
    ("PPH10I7_Panasonic_A.264", Refusal::BitDepth { bits: 10 }),
    ("i422_360p_x264.h264", Refusal::ChromaFormat { chroma_format_idc: 2 }),
];

fn read(name: &str) -> Option<Vec<u8>> {
    testmedia::find_and_read(&format!("h264/{name}"))
}

fn decoded_md5(stream: &[u8]) -> (Result<Decoded, Error>, String) {
    let mut md5 = Md5::new();
    let decoded = decode(stream, |row| md5.update(row));
    (decoded, md5.hex())
}

/// What is wrong with a vector; None where it is exact with all vector instructions.
fn fault(name: &str, expected: &str, stream: &[u8]) -> Option<String> {
    Instructions::all().into_iter().find_map(|instructions| {
        let mut md5 = Md5::new();
        let decoded = decode_with(instructions, stream, |row| md5.update(row));
        match decoded {
            Err(error) => Some(format!("{name}, {instructions:?}: {error}")),
            Ok(decoded) => {
                let is_whole = decoded.concealed_macroblocks + decoded.missing_references == 0;
                let is_exact = md5.hex() == expected && is_whole;
                (!is_exact).then(|| format!("{name}, {instructions:?}: {decoded:?}"))
            }
        }
    })
}

#[test]
fn vectors_are_exact() {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut faults = Vec::new();
        while let Some((name, expected)) = EXACT.get(next.fetch_add(1, Ordering::Relaxed)) {
            faults.extend(read(name).and_then(|stream| fault(name, expected, &stream)));
        }
        faults
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn what_is_not_decoded_is_refused_by_name() {
    for (name, refusal) in REFUSED {
        let Some(stream) = read(name) else { continue };
        let mut samples = 0;
        let result = decode(&stream, |row| samples += row.len());
        assert_eq!(result.err(), Some(Error::Refused(refusal)), "{name}");
        assert_eq!(samples, 0, "{name}");
    }
}

/// The second picture of `BA_MW_D.264` was cut out.
#[test]
fn a_lost_picture_is_stood_in_for_and_said() {
    let Some(stream) = read("BA_MW_D_P_LOST.264") else { return };
    let (decoded, pictures) = decoded_pictures(&stream);
    assert_eq!(decoded.pictures, 99);
    assert!(decoded.missing_references > 0);
    let Some(whole) = read("BA_MW_D.264") else { return };
    let (_, mut whole) = decoded_pictures(&whole);
    whole.remove(1);
    let differ: Vec<usize> = (0..99).filter(|at| pictures[*at] != whole[*at]).collect();
    assert_eq!(differ, (1..29).collect::<Vec<_>>(), "up to the next IDR picture");
}

/// The samples of each picture of 176x144.
fn decoded_pictures(stream: &[u8]) -> (Decoded, Vec<Vec<u8>>) {
    let mut samples = Vec::new();
    let decoded = decode(stream, |row| samples.extend_from_slice(row));
    let pictures = samples.chunks(176 * 144 * 3 / 2).map(<[u8]>::to_vec).collect();
    (decoded.expect("a stream of a kind that is decoded"), pictures)
}

#[test]
fn without_parameter_sets_nothing_comes_out() {
    let Some(stream) = read("no_sps_pps_720p.h264") else { return };
    assert_eq!(decoded_md5(&stream).0.expect("nothing to refuse").pictures, 0);
}

/// As some muxers have them: both fields of each frame come in one access unit.
#[test]
fn fields_may_come_together() {
    let name = "CAFI1_SVA_C.264";
    let Some(stream) = read(name) else { return };
    let mut decoder = Decoder::new(Limits::default());
    let fields = access_units(&stream);
    let mut md5 = Md5::new();
    let mut take = |decoder: &mut Decoder| {
        while let Some(picture) = decoder.next_picture() {
            let samples = picture.samples;
            for plane in [samples.y, samples.u, samples.v] {
                plane.rows().for_each(|row| md5.update(row));
            }
        }
    };
    for pair in fields.chunks(2) {
        let nal_units = pair.iter().flatten().map(|nal_unit| &nal_unit[..]);
        decoder.decode(nal_units, Timestamp::ZERO).expect("a good stream");
        take(&mut decoder);
    }
    decoder.flush();
    take(&mut decoder);
    let expected = EXACT.iter().find(|(other, _)| *other == name).expect("it is in the table").1;
    assert_eq!(md5.hex(), expected);
}
