//! The streams of docs/decode.md and what each decoder makes of them, tested by conformance.rs.

use super::{access_units, ffmpeg};

/// What a decoder must make of a stream, all pictures counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// ffmpeg's samples.
    Exact,
    /// Every picture within this many dB of ffmpeg's.
    Over(f64),
    /// Within so many dB, and said to be damaged.
    Damaged(f64),
    /// Fewer pictures, or none, and at least one error with these words.
    Refused(&'static str),
    /// Wrong, and known to be.
    Wrong,
}

use Expected::{Damaged, Exact, Over, Refused, Wrong};

/// A row: name, how it is made (a file, or x264's options), what openh264 makes of it. Native has
/// to be exact ([`native`]).
pub(crate) type Row = (&'static str, &'static str, Expected);

/// Conformance vectors and streams of other decoders' tests, files of `tests/media/h264`.
pub(crate) const VECTORS: &[Row] = &[
    ("BA1_FT_C", "BA1_FT_C.264", Exact),
    ("CVFC1_Sony_C", "CVFC1_Sony_C.jsv", Exact),
    ("MR1_BT_A", "MR1_BT_A.h264", Exact),
    ("SVA_BA2_D", "SVA_BA2_D.264", Exact),
    ("BA_MW_D_P_LOST", "BA_MW_D_P_LOST.264", Over(20.0)),
    ("QCIF_2P_I_allIPCM", "QCIF_2P_I_allIPCM.264", Exact),
    ("Adobe_PDF_sample_a", "Adobe_PDF_sample_a_1024x768_50Frms.264", Exact),
    ("Cisco_Men_whisper", "Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", Over(55.0)),
    ("test_scalinglist_jm", "test_scalinglist_jm.264", Exact),
    ("CABA3_TOSHIBA_E", "CABA3_TOSHIBA_E.264", Exact),
    ("CABA3_SVA_B", "CABA3_SVA_B.264", Over(40.0)),
    ("NL3_SVA_E", "NL3_SVA_E.264", Exact),
    ("HCBP2_HHI_A", "HCBP2_HHI_A.264", Exact),
    ("FRExt1_Panasonic", "FRExt1_Panasonic.avc", Wrong),
    (
        "FRExt_MMCO4_Sony_B",
        "FRExt_MMCO4_Sony_B.264",
        Refused("long-term references in a stream with B pictures"),
    ),
];

/// What our own decoder must make of the row of this name.
pub(crate) fn native(name: &str) -> Expected {
    match name {
        // What is made up for the missing picture, ffmpeg makes up otherwise.
        "BA_MW_D_P_LOST" => Damaged(20.0),
        _ => Exact,
    }
}

/// The large vector, of which [`cut_vector`] takes the first 60 pictures.
pub(crate) const CUT_VECTORS: &[Row] =
    &[("VID_1280x720_cabac_temporal_direct", "VID_1280x720_cabac_temporal_direct.264", Over(45.0))];

/// x264's presets, from the fastest to the slowest but one.
pub(crate) const PRESETS: &[Row] = &[
    ("ultrafast", "-preset ultrafast", Exact),
    ("superfast", "-preset superfast", Over(50.0)),
    ("veryfast", "-preset veryfast", Over(50.0)),
    ("faster", "-preset faster", Over(50.0)),
    ("fast", "-preset fast", Over(50.0)),
    ("medium", "-preset medium", Over(50.0)),
    ("slow", "-preset slow", Over(50.0)),
    ("slower", "-preset slower", Over(50.0)),
    ("veryslow", "-preset veryslow", Over(50.0)),
];

/// Profiles, and tunes.
pub(crate) const PROFILES_AND_TUNES: &[Row] = &[
    ("baseline", "-profile:v baseline", Exact),
    ("main", "-profile:v main", Over(50.0)),
    ("film", "-tune film", Over(50.0)),
    ("animation", "-tune animation", Over(50.0)),
    ("grain", "-tune grain", Over(50.0)),
    ("stillimage", "-tune stillimage", Over(50.0)),
    ("psnr", "-tune psnr", Over(50.0)),
    ("ssim", "-tune ssim", Over(50.0)),
    ("fastdecode", "-tune fastdecode", Over(50.0)),
    ("zerolatency", "-tune zerolatency", Exact),
];

/// Slices, reference pictures, kinds of random access.
pub(crate) const SLICES_AND_REFERENCES: &[Row] = &[
    ("4 slices", "-x264-params slices=4", Over(50.0)),
    ("sliced threads", "-x264-params sliced-threads=1:threads=4", Over(50.0)),
    ("slices of 200 bytes", "-x264-params slice-max-size=200", Over(60.0)),
    ("1 reference", "-x264-params ref=1", Over(50.0)),
    ("16 references", "-x264-params ref=16", Over(50.0)),
    ("B pyramid strict", "-x264-params b-pyramid=strict:bframes=5:b-adapt=0", Over(50.0)),
    ("16 B pictures", "-x264-params bframes=16:b-adapt=0", Wrong),
    ("intra only", "-x264-params keyint=1", Exact),
    ("open GOP", "-x264-params open-gop=1:keyint=8:min-keyint=8", Over(50.0)),
    ("intra refresh", "-x264-params intra-refresh=1:keyint=8:bframes=0", Exact),
    (
        "aud, hrd, filler",
        "-x264-params aud=1:nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300",
        Over(50.0),
    ),
];

/// Weighted, direct and intra prediction.
pub(crate) const PREDICTION: &[Row] = &[
    ("weightp 0", "-x264-params weightp=0", Over(50.0)),
    ("weightp 1, fade", "-vf fade=in:0:20 -x264-params weightp=1", Over(50.0)),
    ("weightp 2, fade", "-vf fade=in:0:20 -x264-params weightp=2:ref=8", Over(50.0)),
    (
        "weightb, fade",
        "-vf fade=in:0:20 -x264-params weightb=1:bframes=5:b-adapt=0:slices=3",
        Over(50.0),
    ),
    ("weightb 0", "-x264-params weightb=0", Over(50.0)),
    ("direct none", "-x264-params direct=none", Over(50.0)),
    ("direct spatial", "-x264-params direct=spatial", Over(50.0)),
    ("direct temporal", "-x264-params direct=temporal", Over(50.0)),
    ("direct auto", "-x264-params direct=auto", Over(50.0)),
    ("constrained intra", "-x264-params constrained-intra=1", Over(50.0)),
];

/// Transforms, entropy coding, quantisation, deblocking.
pub(crate) const TRANSFORM_AND_ENTROPY: &[Row] = &[
    ("CAVLC", "-x264-params cabac=0", Over(50.0)),
    ("CAVLC without 8x8", "-x264-params cabac=0:8x8dct=0", Over(50.0)),
    ("CABAC without 8x8", "-x264-params 8x8dct=0", Over(50.0)),
    ("scaling lists", "-x264-params cqm=jvt", Over(50.0)),
    ("scaling lists, CAVLC", "-x264-params cqm=jvt:cabac=0", Over(50.0)),
    ("chroma QP offset", "-x264-params chroma-qp-offset=5", Over(50.0)),
    ("no deblocking", "-x264-params no-deblock=1", Over(50.0)),
    ("strongest deblocking", "-x264-params deblock=6,6", Over(50.0)),
    ("QP 1", "-x264-params qp=1", Over(40.0)),
    ("QP 51", "-x264-params qp=51", Over(50.0)),
    ("I_PCM, CABAC", "-vf noise=alls=100:allf=t -x264-params qp=1:keyint=1", Exact),
    ("I_PCM, CAVLC", "-vf noise=alls=100:allf=t -x264-params qp=1:keyint=1:cabac=0", Exact),
];

/// Sizes that are no whole macroblocks, and cropping.
pub(crate) const SIZES_AND_CROPPING: &[Row] = &[
    ("130x98", "-s 130x98", Over(50.0)),
    ("178x146", "-s 178x146", Over(50.0)),
    ("322x182", "-s 322x182", Over(50.0)),
    ("16x16", "-s 16x16", Over(50.0)),
    ("cropped on all sides", "-x264-params crop-rect=4,2,6,8", Over(50.0)),
];

/// A file of `tests/media/h264`, where it is on this machine.
pub(crate) fn vector(name: &str) -> Option<Vec<u8>> {
    testmedia::find_and_read(&format!("h264/{name}"))
}

/// The first 60 pictures of one.
pub(crate) fn cut_vector(name: &str) -> Option<Vec<u8>> {
    Some(access_units(&vector(name)?)[..60].concat())
}

/// x264 through ffmpeg: 20 moving, noisy pictures of 128x96 where the row says nothing else.
pub(crate) fn x264(args: &str) -> Vec<u8> {
    let source = if args.contains("-s ") {
        "testsrc2=size=320x240:rate=30"
    } else {
        "testsrc2=size=128x96:rate=30"
    };
    let filter = if args.contains("-vf ") { "" } else { "-vf noise=alls=8:all_seed=1:allf=t" };
    let depth = if args.contains("-pix_fmt") { "" } else { "-pix_fmt yuv420p" };
    let threads = if args.contains("threads=") { "" } else { "-threads 1" };
    ffmpeg(
        &format!(
            "-f lavfi -i {source} {filter} -frames:v 20 {depth} {threads} -c:v libx264 {args} -f h264 -"
        ),
        &[],
    )
}
