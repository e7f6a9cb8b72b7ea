//! Which parameter sets a picture brings along into its segment.

use std::sync::Arc;

use h264::ParameterSets;
use media::AccessUnit;

use crate::picture::VideoConfig;

/// The parameter sets that a segment has brought since its newest random access point.
///
/// A random access point brings those that it uses, another picture only those that have not come.
/// A set is written as often as there are random access points, and not at all where no picture
/// uses it.
#[derive(Debug, Default)]
pub(crate) struct WrittenSets {
    sets: ParameterSets,
    /// What the newest picture was sent under.
    config: Option<Arc<VideoConfig>>,
}

impl WrittenSets {
    /// What the next picture has to bring along, SPS first.
    pub(crate) fn missing<'a>(
        &self,
        unit: &AccessUnit,
        config: &'a Arc<VideoConfig>,
    ) -> Vec<&'a [u8]> {
        let all = &config.parameter_sets;
        let begins = self.begin_anew_with(unit);
        if !begins && self.goes_on_with(config) && has_no_choice(all) {
            return Vec::new();
        }
        let mut used = all.used_by(&unit.nal_units);
        if !begins {
            used.retain(|set| self.sets.iter().all(|written| written != *set));
        }
        used
    }

    /// Whether the picture brings all that it uses.
    pub(crate) fn begin_anew_with(&self, unit: &AccessUnit) -> bool {
        unit.random_access || self.sets.is_empty()
    }

    /// Whether the picture's parameters are those of the one before it.
    fn goes_on_with(&self, config: &Arc<VideoConfig>) -> bool {
        self.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, config))
    }

    /// The picture is written with what it was missing.
    pub(crate) fn write(&mut self, unit: &AccessUnit, config: &Arc<VideoConfig>) {
        let missing = self.missing(unit, config);
        if unit.random_access {
            self.sets = ParameterSets::default();
        }
        for set in missing {
            // No room: what came before belongs to other parameters, and comes again where it is
            // used again.
            if !self.sets.insert(set) {
                self.sets = ParameterSets::default();
                self.sets.insert(set);
            }
        }
        if !self.goes_on_with(config) {
            self.config = Some(Arc::clone(config));
        }
    }
}

/// Whether there is one set of a kind: all pictures use the same.
pub(crate) fn has_no_choice(sets: &ParameterSets) -> bool {
    sets.sps.len() <= 1 && sets.pps.len() <= 1
}
