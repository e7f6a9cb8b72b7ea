//! The initialization section (`EXT-X-MAP`): what the tracks are.

use mp4::{FourCC, FtypBox, MoovBox};

use crate::boxes::{container, write};
use crate::run::{AUDIO_TRACK, NON_SYNC, SYNC, VIDEO_TIMESCALE, VIDEO_TRACK};

/// Profiles whose configuration record ends in the sample format: all but Baseline, Main and
/// Extended (14496-15 5.3.3.1.2).
const WITHOUT_SAMPLE_FORMAT: [u8; 3] = [66, 77, 88];

/// `track_enabled` and `track_in_movie` (14496-12 8.3.2.3).
const ENABLED_IN_MOVIE: u32 = 3;

/// The tracks of a rendition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracks {
    /// H.264, track 1.
    pub video: Option<VideoTrack>,
    /// AAC, track 2.
    pub audio: Option<AudioTrack>,
}

/// An H.264 track (14496-15 5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTrack {
    /// Width of the pictures as shown, in samples.
    pub width: u16,
    /// Height of the pictures as shown, in rows.
    pub height: u16,
    /// Sequence parameter sets, NAL units without framing; 31 at most are written.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets; 255 at most are written.
    pub pps: Vec<Vec<u8>>,
    /// `chroma_format_idc` of the SPS, 0 to 3.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample, 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub bit_depth_chroma: u8,
}

/// An AAC track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioTrack {
    /// AudioSpecificConfig (14496-3 1.6.2.1), with explicit signalling of SBR and PS; at most 100
    /// bytes.
    pub config: Vec<u8>,
    /// What is heard, after SBR, in hertz; the track's timescale.
    pub sample_rate_hz: u32,
    /// What is heard, after PS.
    pub channels: u16,
    /// Samples of a frame at `sample_rate_hz`.
    pub samples_per_frame: u32,
}

/// The initialization section of a rendition with these tracks.
#[must_use]
pub fn init_section(tracks: &Tracks) -> Vec<u8> {
    let mut out = Vec::with_capacity(1280);
    // `iso6`: data offsets count from the `moof` (`default-base-is-moof`).
    let brand = |name: &[u8; 4]| FourCC::from(*name);
    let ftyp = FtypBox {
        major_brand: brand(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![brand(b"iso6"), brand(b"mp41")],
    };
    write(&ftyp, &mut out);
    container(*b"moov", &mut out, |out| {
        let mut boxes = MoovBox::default();
        boxes.mvhd.timescale = VIDEO_TIMESCALE;
        boxes.mvhd.next_track_id = u32::MAX;
        write(&boxes.mvhd, out);
        if let Some(video) = &tracks.video {
            write_video(video, out);
        }
        if let Some(audio) = &tracks.audio {
            write_audio(audio, out);
        }
        container(*b"mvex", out, |out| {
            let trex = &mut boxes.mvex.get_or_insert_with(Default::default).trex;
            trex.default_sample_description_index = 1;
            if tracks.video.is_some() {
                trex.track_id = VIDEO_TRACK;
                trex.default_sample_flags = NON_SYNC;
                write(trex, out);
            }
            if let Some(audio) = &tracks.audio {
                trex.track_id = AUDIO_TRACK;
                trex.default_sample_duration = audio.samples_per_frame;
                trex.default_sample_flags = SYNC;
                write(trex, out);
            }
        });
    });
    out
}

fn write_video(video: &VideoTrack, out: &mut Vec<u8>) {
    let mut boxes = MoovBox::default();
    boxes.traks.push(Default::default());
    let trak = &mut boxes.traks[0];
    trak.tkhd.track_id = VIDEO_TRACK;
    trak.tkhd.flags = ENABLED_IN_MOVIE;
    trak.tkhd.volume = mp4::FixedPointU8::new(0);
    trak.tkhd.set_width(video.width);
    trak.tkhd.set_height(video.height);
    trak.mdia.mdhd.timescale = VIDEO_TIMESCALE;
    trak.mdia.hdlr.handler_type = FourCC::from(*b"vide");
    let vmhd = trak.mdia.minf.vmhd.get_or_insert_with(Default::default);
    // 14496-12 12.1.2.2.
    vmhd.flags = 1;
    write_trak(&boxes, out, |out| write_avc1(video, out));
}

fn write_audio(audio: &AudioTrack, out: &mut Vec<u8>) {
    let mut boxes = MoovBox::default();
    boxes.traks.push(Default::default());
    let trak = &mut boxes.traks[0];
    trak.tkhd.track_id = AUDIO_TRACK;
    trak.tkhd.flags = ENABLED_IN_MOVIE;
    trak.mdia.mdhd.timescale = audio.sample_rate_hz;
    trak.mdia.hdlr.handler_type = FourCC::from(*b"soun");
    trak.mdia.minf.smhd = Some(Default::default());
    write_trak(&boxes, out, |out| write_mp4a(audio, out));
}

/// The only track of `boxes`, with the media header that it has, and the description of its
/// samples. (The crate does not let a track's own type be named.)
fn write_trak(boxes: &MoovBox, out: &mut Vec<u8>, entry: impl FnOnce(&mut Vec<u8>)) {
    let trak = &boxes.traks[0];
    let minf = &trak.mdia.minf;
    container(*b"trak", out, |out| {
        write(&trak.tkhd, out);
        container(*b"mdia", out, |out| {
            write(&trak.mdia.mdhd, out);
            write(&trak.mdia.hdlr, out);
            container(*b"minf", out, |out| {
                if let Some(vmhd) = &minf.vmhd {
                    write(vmhd, out);
                }
                if let Some(smhd) = &minf.smhd {
                    write(smhd, out);
                }
                write(&minf.dinf, out);
                write_tables(out, entry);
            });
        });
    });
}

/// A sample table without samples: they are in the segments.
fn write_tables(out: &mut Vec<u8>, entry: impl FnOnce(&mut Vec<u8>)) {
    let mut boxes = MoovBox::default();
    boxes.traks.push(Default::default());
    let stbl = &mut boxes.traks[0].mdia.minf.stbl;
    container(*b"stbl", out, |out| {
        container(*b"stsd", out, |out| {
            // Version and flags, and one entry.
            out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            entry(out);
        });
        write(&stbl.stts, out);
        write(&stbl.stsc, out);
        write(&stbl.stsz, out);
        write(stbl.stco.get_or_insert_with(Default::default), out);
    });
}

/// 14496-12 12.1.3.2 and 14496-15 5.4.2.1.
fn write_avc1(video: &VideoTrack, out: &mut Vec<u8>) {
    container(*b"avc1", out, |out| {
        out.extend([0; 6]);
        out.extend(1_u16.to_be_bytes()); // data_reference_index
        out.extend([0; 16]);
        out.extend(video.width.to_be_bytes());
        out.extend(video.height.to_be_bytes());
        out.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0]); // 72 dpi, which nobody reads
        out.extend([0; 4]);
        out.extend(1_u16.to_be_bytes()); // frame_count
        out.extend([0; 32]); // compressorname
        out.extend(0x18_u16.to_be_bytes()); // depth: colour without alpha
        out.extend((-1_i16).to_be_bytes());
        container(*b"avcC", out, |out| write_config_record(video, out));
    });
}

/// `AVCDecoderConfigurationRecord` (14496-15 5.3.3.1.2) with length fields of four bytes.
fn write_config_record(video: &VideoTrack, out: &mut Vec<u8>) {
    let first = video.sps.first().map_or(&[][..], |sps| sps);
    let byte = |at: usize| first.get(at).copied().unwrap_or_default();
    let profile = byte(1);
    out.extend([1, profile, byte(2), byte(3), 0xff]);
    for (reserved, most, sets) in [(0xe0, 31, &video.sps), (0, 255, &video.pps)] {
        let sets = &sets[..sets.len().min(most)];
        out.push(reserved | sets.len() as u8);
        for set in sets {
            // Parameter sets are some kilobytes at most.
            out.extend((set.len() as u16).to_be_bytes());
            out.extend_from_slice(set);
        }
    }
    if !WITHOUT_SAMPLE_FORMAT.contains(&profile) {
        out.push(0xfc | video.chroma_format_idc & 3);
        out.push(0xf8 | video.bit_depth_luma.saturating_sub(8) & 7);
        out.push(0xf8 | video.bit_depth_chroma.saturating_sub(8) & 7);
        out.push(0);
    }
}

/// 14496-12 12.2.3.2 and 14496-14 6.7.2.
fn write_mp4a(audio: &AudioTrack, out: &mut Vec<u8>) {
    container(*b"mp4a", out, |out| {
        out.extend([0; 6]);
        out.extend(1_u16.to_be_bytes()); // data_reference_index
        out.extend([0; 8]);
        out.extend(audio.channels.to_be_bytes());
        out.extend(16_u16.to_be_bytes()); // samplesize
        out.extend([0; 4]);
        // 16.16 fixed point; a rate that does not fit is left to the configuration.
        out.extend(u16::try_from(audio.sample_rate_hz).unwrap_or(0).to_be_bytes());
        out.extend([0; 2]);
        container(*b"esds", out, |out| write_descriptors(audio, out));
    });
}

/// `ES_Descriptor` and what is in it (14496-1 7.2.6.5, 7.2.6.6).
fn write_descriptors(audio: &AudioTrack, out: &mut Vec<u8>) {
    /// Behind a length of one byte, which tells up to 127.
    const MAX_CONFIG_BYTES: usize = 100;
    let config = &audio.config[..audio.config.len().min(MAX_CONFIG_BYTES)];
    let length = config.len() as u8;
    out.extend([0; 4]); // version and flags
    out.extend([0x03, length + 23, 0, 0, 0]); // ES_ID is 0 in files, no options
    // AAC (0x40), an audio stream; buffer size and rates are not said.
    out.extend([0x04, length + 15, 0x40, 0x15]);
    out.extend([0; 11]);
    out.extend([0x05, length]);
    out.extend_from_slice(config);
    out.extend([0x06, 1, 2]); // SLConfigDescriptor, predefined for MP4
}
