//! openh264's C interface, made safe, and how C allocates for it: every `unsafe` of the workspace
//! is in this file.
//!
//! Both types own one C++ object and call it through its table of functions (`codec_api.h`). What C
//! hands out lives in that object until its next call, which is why pictures and NAL units borrow
//! from `&mut self`.
#![expect(unsafe_code, reason = "openh264 is a C++ library")]

use std::ffi::{c_int, c_long, c_uchar, c_void};
use std::ptr::{NonNull, null, null_mut};

use media::{I420, Plane};
use openh264_sys2::source::APILoader;
use openh264_sys2::{
    DECODER_OPTION, DECODER_OPTION_ERROR_CON_IDC, DECODER_OPTION_TRACE_LEVEL, ENCODER_OPTION,
    ENCODER_OPTION_RC_MODE, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, ENCODER_OPTION_TRACE_LEVEL,
    ERROR_CON_SLICE_COPY, ISVCDecoder, ISVCDecoderVtbl, ISVCEncoder, ISVCEncoderVtbl, RC_OFF_MODE,
    SBufferInfo, SDecodingParam, SEncParamExt, SFrameBSInfo, SLayerBSInfo, SSourcePicture,
    VIDEO_BITSTREAM_AVC, WELS_LOG_QUIET, videoFormatI420, videoFrameTypeIDR,
};

/// What a missing entry in a table of functions is reported as (`cmInitExpected`).
const NO_FUNCTION: c_int = 4;
const NO_FUNCTION_LONG: c_long = 4;

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    /// Sets a parameter of the allocator (mallopt(3)); one that it does not know changes nothing.
    safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
    /// Gives free pages back to the system (malloc_trim(3)), but `pad` bytes at the heap's end.
    safe fn malloc_trim(pad: usize) -> c_int;
}

/// How many heaps there are at most (glibc's `malloc.h`).
#[cfg(target_env = "gnu")]
const M_ARENA_MAX: c_int = -8;

/// From how many bytes on a block is mapped for itself (glibc's `malloc.h`).
#[cfg(target_env = "gnu")]
const M_MMAP_THRESHOLD: c_int = -3;

/// How many free bytes the heap keeps at its end (glibc's `malloc.h`).
#[cfg(target_env = "gnu")]
const M_TRIM_THRESHOLD: c_int = -1;

/// All threads share one heap from now on, and large blocks are none of it.
pub(crate) fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    {
        mallopt(M_ARENA_MAX, 1);
        mallopt(M_MMAP_THRESHOLD, 4 << 20);
        mallopt(M_TRIM_THRESHOLD, 16 << 20);
    }
}

/// Free memory goes back to the system.
pub(crate) fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    malloc_trim(0);
}

/// A decoder, opened and silenced.
pub(crate) struct RawDecoder {
    object: NonNull<ISVCDecoder>,
}

// SAFETY: the object has no thread of its own (the number of decoding threads stays 0) and no
// thread-local state.
unsafe impl Send for RawDecoder {}

impl RawDecoder {
    /// Opens a decoder; the error is openh264's code.
    pub(crate) fn open() -> Result<Self, c_long> {
        let mut object: *mut ISVCDecoder = null_mut();
        // SAFETY: `object` is a valid place for the pointer.
        let code = unsafe { APILoader::WelsCreateDecoder(&raw mut object) };
        let object = NonNull::new(object).filter(|_| code == 0).ok_or(code)?;
        let mut decoder = Self { object };
        // Before Initialize, which already writes to stderr.
        decoder.set_option(DECODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET)?;
        decoder.initialize()?;
        decoder.set_option(DECODER_OPTION_ERROR_CON_IDC, ERROR_CON_SLICE_COPY)?;
        Ok(decoder)
    }

    /// Gives the decoder bytes in Annex B, whole NAL units; `stamp` goes to the picture they belong
    /// to.
    pub(crate) fn submit(&mut self, annexb: &[u8], stamp: u64) -> (c_int, Option<(I420<'_>, u64)>) {
        let Ok(len) = c_int::try_from(annexb.len()) else {
            return (openh264_sys2::dsInvalidArgument, None);
        };
        // An empty slice has a dangling pointer, and null means "finish" to openh264.
        if len == 0 {
            return (0, None);
        }
        self.decode(annexb.as_ptr(), len, stamp)
    }

    /// Tells the decoder that the access unit is complete.
    pub(crate) fn finish(&mut self, stamp: u64) -> (c_int, Option<(I420<'_>, u64)>) {
        self.decode(null(), 0, stamp)
    }

    /// The next picture that is held back for reordering, after [`finish`](Self::finish).
    pub(crate) fn flush(&mut self) -> Option<(I420<'_>, u64)> {
        let flush = self.functions().FlushFrame?;
        let mut info = SBufferInfo::default();
        let mut planes: [*mut c_uchar; 3] = [null_mut(); 3];
        // SAFETY: the object is open; `planes` has three pointers, as codec_api.h asks, and `info`
        // is valid.
        unsafe { flush(self.object.as_ptr(), planes.as_mut_ptr(), &raw mut info) };
        self.picture(planes, &info)
    }

    fn initialize(&mut self) -> Result<(), c_long> {
        let mut params = SDecodingParam::default();
        params.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
        params.sVideoProperty.size = size_of_val(&params.sVideoProperty) as u32;
        params.eEcActiveIdc = ERROR_CON_SLICE_COPY;
        let initialize = self.functions().Initialize.ok_or(NO_FUNCTION_LONG)?;
        // SAFETY: the object exists and `params` outlives the call, which copies it.
        let code = unsafe { initialize(self.object.as_ptr(), &raw const params) };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    fn set_option(&mut self, option: DECODER_OPTION, mut value: c_int) -> Result<(), c_long> {
        let set = self.functions().SetOption.ok_or(NO_FUNCTION_LONG)?;
        // SAFETY: both options used here read one int.
        let code = unsafe { set(self.object.as_ptr(), option, (&raw mut value).cast::<c_void>()) };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    /// One call of `DecodeFrame2`. (`DecodeFrameNoDelay` is two of them, but drops what the first
    /// one hands out.)
    fn decode(
        &mut self,
        data: *const c_uchar,
        len: c_int,
        stamp: u64,
    ) -> (c_int, Option<(I420<'_>, u64)>) {
        let Some(decode) = self.functions().DecodeFrame2 else {
            return (openh264_sys2::dsInvalidArgument, None);
        };
        let mut info = SBufferInfo { uiInBsTimeStamp: stamp, ..SBufferInfo::default() };
        let mut planes: [*mut c_uchar; 3] = [null_mut(); 3];
        // SAFETY: the object is open; `data` is null or has `len` bytes, which the call copies;
        // `planes` has three pointers and `info` is valid.
        let state =
            unsafe { decode(self.object.as_ptr(), data, len, planes.as_mut_ptr(), &raw mut info) };
        (state, self.picture(planes, &info))
    }

    /// The picture that a call has handed out, if it has.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "nobody may call the decoder while its picture is read"
    )]
    fn picture(
        &mut self,
        planes: [*mut c_uchar; 3],
        info: &SBufferInfo,
    ) -> Option<(I420<'_>, u64)> {
        if info.iBufferStatus != 1 {
            return None;
        }
        // SAFETY: the union has one member, valid for every bit pattern.
        let buffer = unsafe { info.UsrData.sSystemBuffer };
        let width = usize::try_from(buffer.iWidth).ok()?;
        let height = usize::try_from(buffer.iHeight).ok()?;
        let luma_stride = usize::try_from(buffer.iStride[0]).ok()?;
        let chroma_stride = usize::try_from(buffer.iStride[1]).ok()?;
        let plane = |data: *mut c_uchar, stride: usize, width: usize, height: usize| {
            let data = NonNull::new(data).filter(|_| width > 0 && height > 0 && stride >= width)?;
            // SAFETY: the plane lies in the decoder, untouched until its next call, for which `&mut
            // self` must be free again. `stride * height` bytes from its first shown sample are
            // there: a row is as long as the stride and 32 rows (16 of chroma) of border follow the
            // coded ones (PADDING_LENGTH in AllocPicture, pic_queue.cpp).
            let data = unsafe { std::slice::from_raw_parts(data.as_ptr(), stride * height) };
            Some(Plane { data, stride, width, height })
        };
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        let picture = I420 {
            y: plane(planes[0], luma_stride, width, height)?,
            u: plane(planes[1], chroma_stride, chroma_width, chroma_height)?,
            v: plane(planes[2], chroma_stride, chroma_width, chroma_height)?,
        };
        // Not uiInBsTimeStamp: that is the stamp of the call, this one of the picture.
        Some((picture, info.uiOutYuvTimeStamp))
    }

    fn functions(&self) -> &ISVCDecoderVtbl {
        // SAFETY: the object starts with a pointer to its table of functions, which is static.
        unsafe { &**self.object.as_ptr() }
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: the object came from WelsCreateDecoder and nobody uses it any more. Destroying
        // uninitialises.
        unsafe { APILoader::WelsDestroyDecoder(self.object.as_ptr()) }
    }
}

/// An encoder, opened and silenced.
pub(crate) struct RawEncoder {
    object: NonNull<ISVCEncoder>,
    params: SEncParamExt,
    width: usize,
    height: usize,
}

// SAFETY: the object has no thread of its own (iMultipleThreadIdc is 1) and no thread-local state.
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    /// Opens an encoder with openh264's defaults changed by `configure`; the error is openh264's
    /// code.
    pub(crate) fn open(
        width: u16,
        height: u16,
        configure: impl FnOnce(&mut SEncParamExt),
    ) -> Result<Self, c_int> {
        let mut object: *mut ISVCEncoder = null_mut();
        // SAFETY: `object` is a valid place for the pointer.
        let code = unsafe { APILoader::WelsCreateSVCEncoder(&raw mut object) };
        let object = NonNull::new(object).filter(|_| code == 0).ok_or(code)?;
        let params = SEncParamExt::default();
        let mut encoder = Self { object, params, width: width.into(), height: height.into() };
        // Before InitializeExt, which already writes to stderr.
        encoder.silence()?;
        let mut params = encoder.default_params()?;
        configure(&mut params);
        params.iPicWidth = width.into();
        params.iPicHeight = height.into();
        // More would start threads, and then this type would not be Send.
        params.iMultipleThreadIdc = 1;
        encoder.initialize(&params)?;
        encoder.params = params;
        Ok(encoder)
    }

    /// Encodes SPS and PPS; `on_nal_unit` gets each NAL unit with its start code.
    pub(crate) fn parameter_sets(&mut self, on_nal_unit: impl FnMut(&[u8])) -> Result<(), c_int> {
        let encode = self.functions().EncodeParameterSets.ok_or(NO_FUNCTION)?;
        let mut info = SFrameBSInfo::default();
        // SAFETY: the object is open and `info` valid.
        let code = unsafe { encode(self.object.as_ptr(), &raw mut info) };
        self.nal_units(&info, on_nal_unit);
        if code == 0 { Ok(()) } else { Err(code) }
    }

    /// Makes the next picture an IDR.
    pub(crate) fn force_idr(&mut self) -> Result<(), c_int> {
        let force = self.functions().ForceIntraFrame.ok_or(NO_FUNCTION)?;
        // SAFETY: the object is open. (The C++ method has a second parameter that C callers cannot
        // give; it is looked at only with simulcast, see ForceCodingIDR.)
        let code = unsafe { force(self.object.as_ptr(), true) };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    /// Encodes a picture; `on_nal_unit` gets each NAL unit with its start code. Returns whether it
    /// is an IDR.
    ///
    /// The picture must have the encoder's size.
    pub(crate) fn encode(
        &mut self,
        picture: I420<'_>,
        time_ms: i64,
        on_nal_unit: impl FnMut(&[u8]),
    ) -> Result<bool, c_int> {
        let source = self.source(picture, time_ms).ok_or(openh264_sys2::cmInitParaError)?;
        let encode = self.functions().EncodeFrame.ok_or(NO_FUNCTION)?;
        let mut info = SFrameBSInfo::default();
        // SAFETY: the object is open; `source` points to planes of the size it states, which the
        // call reads only.
        let code = unsafe { encode(self.object.as_ptr(), &raw const source, &raw mut info) };
        if code != 0 {
            return Err(code);
        }
        self.nal_units(&info, on_nal_unit);
        Ok(info.eFrameType == videoFrameTypeIDR)
    }

    /// The picture in C's words, if it has the encoder's size and its planes hold what they say.
    fn source(&self, picture: I420<'_>, time_ms: i64) -> Option<SSourcePicture> {
        let plane = |plane: Plane<'_>, width: usize, height: usize| {
            let needed = plane.stride.checked_mul(height - 1)?.checked_add(width)?;
            let fits = (plane.width, plane.height) == (width, height) && plane.stride >= width;
            let stride = c_int::try_from(plane.stride).ok()?;
            (fits && plane.data.len() >= needed).then(|| (plane.data.as_ptr().cast_mut(), stride))
        };
        let (y, y_stride) = plane(picture.y, self.width, self.height)?;
        let (u, u_stride) = plane(picture.u, self.width / 2, self.height / 2)?;
        let (v, v_stride) = plane(picture.v, self.width / 2, self.height / 2)?;
        Some(SSourcePicture {
            iColorFormat: videoFormatI420,
            iStride: [y_stride, u_stride, v_stride, 0],
            pData: [y, u, v, null_mut()],
            iPicWidth: c_int::try_from(self.width).ok()?,
            iPicHeight: c_int::try_from(self.height).ok()?,
            uiTimeStamp: time_ms,
            ..SSourcePicture::default()
        })
    }

    /// Walks what a call has written.
    fn nal_units(&mut self, info: &SFrameBSInfo, mut on_nal_unit: impl FnMut(&[u8])) {
        let layers = usize::try_from(info.iLayerNum).unwrap_or(0);
        for layer in info.sLayerInfo.iter().take(layers) {
            self.layer_nal_units(layer, &mut on_nal_unit);
        }
    }

    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "nobody may call the encoder while its buffers are read"
    )]
    fn layer_nal_units(&mut self, layer: &SLayerBSInfo, on_nal_unit: &mut impl FnMut(&[u8])) {
        let (Ok(count), false) =
            (usize::try_from(layer.iNalCount), layer.pNalLengthInByte.is_null())
        else {
            return;
        };
        // SAFETY: openh264 states iNalCount lengths; they lie in the encoder until its next call.
        let lengths = unsafe { std::slice::from_raw_parts(layer.pNalLengthInByte, count) };
        let mut data = layer.pBsBuf;
        for length in lengths.iter().filter_map(|length| usize::try_from(*length).ok()) {
            // SAFETY: the NAL units of a layer follow each other in its buffer, each of its stated
            // length.
            unsafe {
                on_nal_unit(std::slice::from_raw_parts(data, length));
                data = data.add(length);
            }
        }
    }

    /// From now on each picture has the QP that was set last. Only the parameter sets know of a
    /// bitrate then.
    pub(crate) fn stop_rate_control(&mut self) -> Result<(), c_int> {
        let mut mode: c_int = RC_OFF_MODE;
        // SAFETY: the object is initialised, and the option reads one int.
        unsafe { self.set_option(ENCODER_OPTION_RC_MODE, (&raw mut mode).cast::<c_void>()) }?;
        self.params.iRCMode = RC_OFF_MODE;
        Ok(())
    }

    /// Changes the QP from the next picture on, after
    /// [`stop_rate_control`](Self::stop_rate_control).
    pub(crate) fn set_qp(&mut self, qp: c_int) -> Result<(), c_int> {
        let layer = &mut self.params.sSpatialLayers[0];
        if layer.iDLayerQp == qp {
            return Ok(());
        }
        layer.iDLayerQp = qp;
        let mut params = self.params;
        let value = (&raw mut params).cast::<c_void>();
        // SAFETY: the object is initialised, and the option reads one SEncParamExt. It resets the
        // encoder only where other parameters have changed.
        unsafe { self.set_option(ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, value) }
    }

    /// # Safety
    /// `value` points to what the option reads.
    unsafe fn set_option(
        &mut self,
        option: ENCODER_OPTION,
        value: *mut c_void,
    ) -> Result<(), c_int> {
        let set = self.functions().SetOption.ok_or(NO_FUNCTION)?;
        // SAFETY: the object exists; the caller vouches for the value.
        let code = unsafe { set(self.object.as_ptr(), option, value) };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    fn silence(&mut self) -> Result<(), c_int> {
        let mut level: c_int = WELS_LOG_QUIET;
        // SAFETY: the option reads one int.
        unsafe { self.set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast::<c_void>()) }
    }

    fn default_params(&mut self) -> Result<SEncParamExt, c_int> {
        let defaults = self.functions().GetDefaultParams.ok_or(NO_FUNCTION)?;
        let mut params = SEncParamExt::default();
        // SAFETY: the object exists and `params` is valid.
        let code = unsafe { defaults(self.object.as_ptr(), &raw mut params) };
        if code == 0 { Ok(params) } else { Err(code) }
    }

    fn initialize(&mut self, params: &SEncParamExt) -> Result<(), c_int> {
        let initialize = self.functions().InitializeExt.ok_or(NO_FUNCTION)?;
        // SAFETY: the object exists and `params` outlives the call, which copies it.
        let code = unsafe { initialize(self.object.as_ptr(), std::ptr::from_ref(params)) };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    fn functions(&self) -> &ISVCEncoderVtbl {
        // SAFETY: the object starts with a pointer to its table of functions, which is static.
        unsafe { &**self.object.as_ptr() }
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        // SAFETY: the object came from WelsCreateSVCEncoder and nobody uses it any more. Destroying
        // uninitialises.
        unsafe { APILoader::WelsDestroySVCEncoder(self.object.as_ptr()) }
    }
}
