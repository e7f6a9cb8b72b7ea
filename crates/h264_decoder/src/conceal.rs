//! What stands in for macroblocks that did not come.

use crate::frame::{Frame, Geometry, Samples, Structure};
use crate::mb::{NO_SLICE, Position};
use crate::picture::PictureState;

/// Puts what was there in the nearest picture in time in place of each macroblock that is not
/// decoded, or grey where there is no such picture. Returns how many there were.
pub(crate) fn conceal(
    geometry: Geometry,
    structure: Structure,
    frame: &mut Frame,
    nearest: Option<&Frame>,
    picture: &PictureState,
) -> u32 {
    let mut concealed = 0;
    for (index, &slice) in picture.slice_of.iter().enumerate() {
        let (row, x) = (index / geometry.width, index % geometry.width);
        let is_field = structure.is_field();
        if slice != NO_SLICE || (is_field && row & 1 != structure.first_row()) {
            continue;
        }
        concealed += 1;
        let position = Position { x, row, is_field };
        copy_macroblock(&mut frame.samples, nearest.map(|frame| &frame.samples), position);
        let motion = &mut frame.motion;
        motion.is_field[index] = is_field;
        motion.still[index] = 0;
        for list in 0..2 {
            motion.ref_idx[list][index] = [-1; 4];
            motion.ref_id[list][index] = [0; 4];
        }
    }
    concealed
}

fn copy_macroblock(samples: &mut Samples, from: Option<&Samples>, position: Position) {
    for component in 0..3 {
        let is_chroma = component > 0;
        let stride = samples.strides[usize::from(is_chroma)];
        if stride == 0 {
            continue;
        }
        let size = if is_chroma { 8 } else { 16 };
        let (start, stride) = position.samples(stride, is_chroma);
        for y in 0..size {
            let range = start + y * stride..start + y * stride + size;
            let target = &mut samples.planes[component][range.clone()];
            match from {
                Some(from) => target.copy_from_slice(&from.planes[component][range]),
                None => target.fill(128),
            }
        }
    }
}

/// Doubles the field that came into the rows of the one that did not.
pub(crate) fn double_field(samples: &mut Samples, present: Structure) {
    for (component, plane) in samples.planes.iter_mut().enumerate() {
        let stride = samples.strides[usize::from(component > 0)];
        if stride == 0 {
            continue;
        }
        for pair in plane.chunks_exact_mut(2 * stride) {
            let (top, bottom) = pair.split_at_mut(stride);
            if present == Structure::Top {
                bottom.copy_from_slice(top);
            } else {
                top.copy_from_slice(bottom);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_come_is_copied_and_counted() {
        let geometry = Geometry { width: 2, height: 2, has_chroma: true };
        let (mut frame, mut nearest) = (Frame::default(), Frame::default());
        frame.resize(geometry);
        nearest.resize(geometry);
        for plane in &mut nearest.samples.planes {
            plane.fill(9);
        }
        let mut picture = PictureState::default();
        picture.start(geometry, false, false);
        picture.slice_of[0] = 0;
        let concealed = conceal(geometry, Structure::Frame, &mut frame, Some(&nearest), &picture);
        assert_eq!(concealed, 3);
        assert_eq!(frame.samples.planes[0][15..17], [128, 9]);
        assert_eq!(frame.samples.planes[2][7..9], [128, 9]);
        assert_eq!(frame.samples.planes[0][32 * 31], 9);
    }

    #[test]
    fn a_lone_field_is_shown_twice() {
        let mut samples = Samples {
            planes: [vec![1, 1, 2, 2], vec![3, 4], vec![5, 6]],
            strides: [2, 1],
            heights: [2, 2],
        };
        double_field(&mut samples, Structure::Bottom);
        assert_eq!(samples.planes, [vec![2, 2, 2, 2], vec![4, 4], vec![6, 6]]);
    }
}
