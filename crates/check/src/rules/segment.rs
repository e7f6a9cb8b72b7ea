//! A segment, taken alone.

use crate::fault::Faults;
use crate::ledger::Ledger;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::segment_facts::{Container, SegmentFacts};
use crate::time;

/// Audio and video may start so far apart. Muxers interleave coarsely, but a player that starts
/// here has to wait, or plays without sound, for that long.
const AV_OFFSET_SECS: f64 = 0.5;
/// 13818-1 2.4.2.6 lets nothing but still pictures wait longer than a second in the decoder's
/// buffer; encoders that buffer much are off by a little. Longer, and players that start by the
/// clock stall.
const CLOCK_LEAD_SECS: f64 = 10.0;

/// Judges a segment.
pub(crate) fn judge(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    match facts.container {
        Container::TransportStream => judge_transport_stream(ledger, subject, facts),
        Container::FragmentedMp4 | Container::PackedAudio => {
            let why = "the segments are no transport streams";
            ledger.skip(Rule::SegmentTables, why);
            ledger.skip(Rule::ContinuityCounters, why);
            ledger.skip(Rule::ClockReference, why);
        }
    }
    // Packed audio is ADTS, as it is in a transport stream.
    match facts.container {
        Container::FragmentedMp4 => {
            ledger.skip(Rule::TsPackets, "the segments are fragmented MP4");
            judge_faults(ledger, Rule::FragmentBoxes, subject, &facts.faults);
        }
        Container::TransportStream | Container::PackedAudio => {
            ledger.skip(Rule::FragmentBoxes, "the segments are no fragmented MP4");
            judge_faults(ledger, Rule::TsPackets, subject, &facts.faults);
        }
    }
    judge_pictures(ledger, subject, facts);
    judge_order(ledger, subject, facts);
    judge_av_offset(ledger, subject, facts);
}

fn judge_transport_stream(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    judge_faults(ledger, Rule::SegmentTables, subject, &facts.table_faults);
    judge_faults(ledger, Rule::ContinuityCounters, subject, &facts.continuity_faults);
    ledger.judge(Rule::SegmentTables, subject, facts.starts_with_tables, || {
        "does not start with PAT and PMT".to_owned()
    });
    judge_clock(ledger, subject, facts);
}

/// Judges what is wrong with an initialization section.
pub(crate) fn judge_map(ledger: &mut Ledger, subject: &str, faults: &Faults) {
    judge_faults(ledger, Rule::FragmentBoxes, subject, faults);
}

fn judge_faults(ledger: &mut Ledger, rule: Rule, subject: &str, faults: &Faults) {
    ledger.judge(rule, subject, faults.is_empty(), || match faults.first.first() {
        Some(first) => {
            format!("{} faults, first at byte {}: {}", faults.total, first.position, first.what)
        }
        None => format!("{} faults", faults.total),
    });
}

fn judge_pictures(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    let Some(video) = &facts.video else {
        let why = "there is no H.264 video";
        ledger.skip(Rule::SegmentKeyframe, why);
        return ledger.skip(Rule::ParameterSets, why);
    };
    ledger.judge(Rule::SegmentKeyframe, subject, video.starts_with_idr, || {
        "the first picture is no IDR".to_owned()
    });
    ledger.judge(Rule::ParameterSets, subject, video.starts_with_parameter_sets, || {
        "no SPS and PPS before the first picture".to_owned()
    });
}

fn judge_order(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    if let Some(video) = &facts.video {
        ledger.judge(Rule::TimestampsInOrder, subject, video.disorder == 0, || {
            format!("{} video times are out of order", video.disorder)
        });
    }
    if let Some(audio) = &facts.audio {
        ledger.judge(Rule::TimestampsInOrder, subject, audio.backward_steps == 0, || {
            format!("{} audio times go back", audio.backward_steps)
        });
    }
}

fn judge_clock(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    let pcr = &facts.pcr;
    ledger.judge(Rule::ClockReference, subject, pcr.count > 0, || "there is no PCR".to_owned());
    ledger.judge(Rule::ClockReference, subject, pcr.backward_steps == 0, || {
        format!("the PCR goes back {} times", pcr.backward_steps)
    });
    if let Some((least, most)) = pcr.lead_secs {
        ledger.judge(Rule::ClockReference, subject, least >= 0.0, || {
            format!("samples arrive {:.3} s after they should be decoded", -least)
        });
        let what = "samples arrive long before they are decoded";
        let measurement = Measurement::at_most(most, CLOCK_LEAD_SECS, "s");
        ledger.measure(Rule::ClockReference, Outcome::Fail, subject, what, measurement);
    }
}

fn judge_av_offset(ledger: &mut Ledger, subject: &str, facts: &SegmentFacts) {
    let video = facts.video.as_ref().and_then(|video| video.first_pts);
    let audio = facts.audio.as_ref().and_then(|audio| audio.first_pts);
    let (Some(video), Some(audio)) = (video, audio) else {
        return ledger.skip(Rule::AvOffset, "there are no segments with both");
    };
    let offset = time::secs(video, audio);
    let what = if offset > 0.0 { "audio starts late" } else { "audio starts early" };
    let measurement = Measurement::at_most(offset.abs(), AV_OFFSET_SECS, "s");
    ledger.measure(Rule::AvOffset, Outcome::Fail, subject, what, measurement);
}
