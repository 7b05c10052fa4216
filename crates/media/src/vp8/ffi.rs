//! The only file that speaks to libvpx: owns the contexts, copies pictures in and out.
#![allow(
    unsafe_code,
    reason = "libvpx is a C library; every call into it stands in this file"
)]

use std::ffi::{CStr, c_int, c_uint, c_ulong};
use std::mem::MaybeUninit;
use std::ptr;

use bytes::Bytes;
use vpx_sys as vpx;

use super::EncodedFrame;
use super::encoder::EncoderConfig;
use crate::error::CodecError;
use crate::frame::I420Frame;

/// Ticks a second of the time stamps given to the encoder: the RTP clock of video (RFC 7741).
pub const TICKS_PER_SECOND: u32 = 90_000;

/// Turns a libvpx status into a result.
fn check(operation: &'static str, status: vpx::vpx_codec_err_t) -> Result<(), CodecError> {
    if status == vpx::vpx_codec_err_t::VPX_CODEC_OK {
        return Ok(());
    }
    // SAFETY: the function takes any status by value and gives a string that lives forever.
    let detail = unsafe { CStr::from_ptr(vpx::vpx_codec_err_to_string(status)) };
    Err(CodecError::Library {
        codec: "VP8",
        operation,
        detail: detail.to_string_lossy().into_owned(),
    })
}

/// Share of the bitrate that the base layer of two may take, in percent: its pictures build upon
/// others twice as far away, and serve the other half besides.
const BASE_LAYER_PERCENT: u32 = 60;

/// How a picture of a temporal layer may refer to others. All build upon the last picture of the
/// base layer; one of layer 1 leaves nothing behind, neither pixels nor probabilities.
const BASE_LAYER_FLAGS: u32 = vpx::VP8_EFLAG_NO_REF_GF
    | vpx::VP8_EFLAG_NO_REF_ARF
    | vpx::VP8_EFLAG_NO_UPD_GF
    | vpx::VP8_EFLAG_NO_UPD_ARF;
const UPPER_LAYER_FLAGS: u32 =
    BASE_LAYER_FLAGS | vpx::VP8_EFLAG_NO_UPD_LAST | vpx::VP8_EFLAG_NO_UPD_ENTROPY;

/// One picture on its way into the codec.
pub struct RawPicture {
    /// When it was taken, in [`TICKS_PER_SECOND`]; must grow from call to call.
    pub at: i64,
    /// How long it lasts, in the same unit.
    pub duration: u32,
    pub keyframe: bool,
    /// Its temporal layer, 0 or 1, when there are two.
    pub layer: Option<u8>,
}

impl RawPicture {
    fn flags(&self) -> u32 {
        let forced = if self.keyframe {
            vpx::VPX_EFLAG_FORCE_KF
        } else {
            0
        };
        match self.layer {
            // A keyframe renews everything.
            _ if self.keyframe => forced,
            None => forced,
            Some(0) => BASE_LAYER_FLAGS,
            Some(_) => UPPER_LAYER_FLAGS,
        }
    }
}

/// Owns a libvpx context. Boxed: libvpx may keep pointers into it.
struct Context(Box<vpx::vpx_codec_ctx_t>);

// SAFETY: a libvpx context has no ties to the thread that made it; it only forbids use from two
// threads at once, which `&mut self` on every call rules out.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was initialised by libvpx (a `Context` is only made after that
        // succeeded) and is destroyed once. The status can only say that it was not initialised.
        let status = unsafe { vpx::vpx_codec_destroy(&mut *self.0) };
        debug_assert_eq!(status, vpx::vpx_codec_err_t::VPX_CODEC_OK);
    }
}

/// A running encoder of one picture size.
pub struct RawEncoder {
    context: Context,
    config: vpx::vpx_codec_enc_cfg_t,
}

impl RawEncoder {
    pub fn new(config: &EncoderConfig) -> Result<Self, CodecError> {
        let mut raw = MaybeUninit::<vpx::vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: libvpx fills the whole struct that the pointer leads to, and `vpx_codec_vp8_cx`
        // gives a static description. The struct is plain data and valid zeroed.
        let status = unsafe {
            vpx::vpx_codec_enc_config_default(vpx::vpx_codec_vp8_cx(), raw.as_mut_ptr(), 0)
        };
        check("vpx_codec_enc_config_default", status)?;
        // SAFETY: the call above succeeded and so initialised the struct.
        let mut raw = unsafe { raw.assume_init() };
        fill_config(&mut raw, config);

        let mut context = Box::new(MaybeUninit::<vpx::vpx_codec_ctx_t>::zeroed());
        // SAFETY: the context is writable memory of the right size, the configuration outlives the
        // call (libvpx copies it), and the version is that of the bindings.
        let status = unsafe {
            vpx::vpx_codec_enc_init_ver(
                context.as_mut_ptr(),
                vpx::vpx_codec_vp8_cx(),
                &raw,
                0,
                vpx::VPX_ENCODER_ABI_VERSION as c_int,
            )
        };
        check("vpx_codec_enc_init", status)?;
        // SAFETY: libvpx initialised the context.
        let context = Context(unsafe { context.assume_init() });
        let mut encoder = Self {
            context,
            config: raw,
        };
        encoder.set_controls(config)?;
        Ok(encoder)
    }

    fn set_controls(&mut self, config: &EncoderConfig) -> Result<(), CodecError> {
        use vpx::vp8e_enc_control_id as id;
        // A keyframe may take as much as half the buffer that the rate control aims at.
        let intra_percent = (600 * config.fps / 20).max(300);
        for (operation, control, value) in [
            ("VP8E_SET_CPUUSED", id::VP8E_SET_CPUUSED, config.cpu_used),
            (
                "VP8E_SET_STATIC_THRESHOLD",
                id::VP8E_SET_STATIC_THRESHOLD,
                1,
            ),
            (
                "VP8E_SET_NOISE_SENSITIVITY",
                id::VP8E_SET_NOISE_SENSITIVITY,
                0,
            ),
            (
                "VP8E_SET_TOKEN_PARTITIONS",
                id::VP8E_SET_TOKEN_PARTITIONS,
                0,
            ),
            (
                "VP8E_SET_MAX_INTRA_BITRATE_PCT",
                id::VP8E_SET_MAX_INTRA_BITRATE_PCT,
                intra_percent as c_int,
            ),
        ] {
            // SAFETY: the context is a live VP8 encoder and each of these controls takes one int.
            let status =
                unsafe { vpx::vpx_codec_control_(&mut *self.context.0, control as c_int, value) };
            check(operation, status)?;
        }
        Ok(())
    }

    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), CodecError> {
        share_bitrate(&mut self.config, bitrate_bps);
        // SAFETY: the context is live; libvpx copies the configuration, which has only had its
        // bitrates changed since libvpx accepted it.
        let status = unsafe { vpx::vpx_codec_enc_config_set(&mut *self.context.0, &self.config) };
        check("vpx_codec_enc_config_set", status)
    }

    /// Encodes one picture, whose size the caller has checked against the configuration.
    pub fn encode(
        &mut self,
        frame: &I420Frame,
        picture: &RawPicture,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        frame.check()?;
        if let Some(layer) = picture.layer {
            self.set_layer(layer)?;
        }
        let image = borrow_image(frame);
        // SAFETY: the context is live. `image` points into `frame`, which outlives the call and is
        // as long as its size says (checked above); libvpx only reads from it, and copies.
        let status = unsafe {
            vpx::vpx_codec_encode(
                &mut *self.context.0,
                &image,
                picture.at,
                c_ulong::from(picture.duration),
                picture.flags().into(),
                vpx::VPX_DL_REALTIME.into(),
            )
        };
        check("vpx_codec_encode", status)?;
        Ok(self.take_packet(picture.layer.unwrap_or(0)))
    }

    /// Says to the rate control which layer the next picture belongs to.
    fn set_layer(&mut self, layer: u8) -> Result<(), CodecError> {
        let control = vpx::vp8e_enc_control_id::VP8E_SET_TEMPORAL_LAYER_ID as c_int;
        // SAFETY: the context is a live VP8 encoder and this control takes one int.
        let status =
            unsafe { vpx::vpx_codec_control_(&mut *self.context.0, control, c_int::from(layer)) };
        check("VP8E_SET_TEMPORAL_LAYER_ID", status)
    }

    fn take_packet(&mut self, layer: u8) -> Option<EncodedFrame> {
        let mut iter = ptr::null();
        let mut taken = None;
        loop {
            // SAFETY: the context is live and `iter` starts at null, as libvpx asks. A packet given
            // is valid until the next call of encode on the context.
            let packet =
                unsafe { vpx::vpx_codec_get_cx_data(&mut *self.context.0, &mut iter).as_ref() };
            let Some(packet) = packet else { return taken };
            if packet.kind != vpx::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: for this kind of packet, `frame` is the active field of the union.
            let frame = unsafe { &packet.data.frame };
            // SAFETY: libvpx gives `sz` readable bytes at `buf`, valid until the next encode.
            let data =
                unsafe { std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz as usize) };
            let keyframe = frame.flags & vpx::VPX_FRAME_IS_KEY != 0;
            taken = Some(EncodedFrame {
                data: Bytes::copy_from_slice(data),
                keyframe,
                // A keyframe of the codec's own choice is one that others build upon, too.
                temporal_layer: if keyframe { 0 } else { layer },
            });
        }
    }
}

/// Fills in the settings for a live call; the reasons stand with [`EncoderConfig`].
fn fill_config(raw: &mut vpx::vpx_codec_enc_cfg_t, config: &EncoderConfig) {
    raw.g_w = config.width;
    raw.g_h = config.height;
    raw.g_threads = config.threads;
    raw.g_timebase = vpx::vpx_rational_t {
        num: 1,
        den: TICKS_PER_SECOND as c_int,
    };
    raw.g_error_resilient = vpx::VPX_ERROR_RESILIENT_DEFAULT;
    raw.g_pass = vpx::vpx_enc_pass::VPX_RC_ONE_PASS;
    raw.g_lag_in_frames = 0;
    raw.rc_end_usage = vpx::vpx_rc_mode::VPX_CBR;
    raw.rc_dropframe_thresh = 0;
    raw.rc_resize_allowed = 0;
    raw.rc_min_quantizer = 2;
    raw.rc_max_quantizer = 56;
    raw.rc_undershoot_pct = 100;
    raw.rc_overshoot_pct = 15;
    raw.rc_buf_initial_sz = 500;
    raw.rc_buf_optimal_sz = 600;
    raw.rc_buf_sz = 1000;
    raw.kf_mode = vpx::vpx_kf_mode::VPX_KF_AUTO;
    raw.kf_max_dist = config.keyframe_interval_max;
    if config.temporal_layers > 1 {
        raw.ts_number_layers = 2;
        raw.ts_rate_decimator[..2].copy_from_slice(&[2, 1]);
        raw.ts_periodicity = 2;
        raw.ts_layer_id[..2].copy_from_slice(&[0, 1]);
    }
    share_bitrate(raw, config.bitrate_bps);
}

/// Sets the bitrate of the whole, and of each temporal layer with those below it.
fn share_bitrate(raw: &mut vpx::vpx_codec_enc_cfg_t, bitrate_bps: u32) {
    let kilobits = (bitrate_bps / 1000).max(1);
    raw.rc_target_bitrate = kilobits;
    if raw.ts_number_layers > 1 {
        let base = (kilobits * BASE_LAYER_PERCENT / 100).max(1);
        raw.ts_target_bitrate[..2].copy_from_slice(&[base, kilobits.max(base)]);
    }
}

/// Describes a checked picture to libvpx without copying it. For reading only.
fn borrow_image(frame: &I420Frame) -> vpx::vpx_image_t {
    let (chroma_width, _) = frame.chroma_size();
    let planes = frame.planes().map(|plane| plane.as_ptr().cast_mut());
    vpx::vpx_image_t {
        fmt: vpx::vpx_img_fmt_t::VPX_IMG_FMT_I420,
        cs: vpx::vpx_color_space_t::VPX_CS_BT_601,
        range: vpx::vpx_color_range_t::VPX_CR_STUDIO_RANGE,
        w: frame.width,
        h: frame.height,
        bit_depth: 8,
        d_w: frame.width,
        d_h: frame.height,
        r_w: 0,
        r_h: 0,
        x_chroma_shift: 1,
        y_chroma_shift: 1,
        planes: [planes[0], planes[1], planes[2], ptr::null_mut()],
        stride: [
            frame.width as c_int,
            chroma_width as c_int,
            chroma_width as c_int,
            0,
        ],
        bps: 12,
        user_priv: ptr::null_mut(),
        img_data: ptr::null_mut(),
        img_data_owner: 0,
        self_allocd: 0,
        fb_priv: ptr::null_mut(),
    }
}

/// A running decoder.
pub struct RawDecoder {
    context: Context,
}

impl RawDecoder {
    pub fn new(threads: u32) -> Result<Self, CodecError> {
        let config = vpx::vpx_codec_dec_cfg_t {
            threads: threads as c_uint,
            w: 0,
            h: 0,
        };
        let mut context = Box::new(MaybeUninit::<vpx::vpx_codec_ctx_t>::zeroed());
        // SAFETY: the context is writable memory of the right size, the configuration outlives the
        // call (libvpx copies it), and the version is that of the bindings.
        let status = unsafe {
            vpx::vpx_codec_dec_init_ver(
                context.as_mut_ptr(),
                vpx::vpx_codec_vp8_dx(),
                &config,
                0,
                vpx::VPX_DECODER_ABI_VERSION as c_int,
            )
        };
        check("vpx_codec_dec_init", status)?;
        // SAFETY: libvpx initialised the context.
        Ok(Self {
            context: Context(unsafe { context.assume_init() }),
        })
    }

    /// Decodes one frame into `into`; false when the frame is not to be shown.
    pub fn decode(&mut self, data: &[u8], into: &mut I420Frame) -> Result<bool, CodecError> {
        let length = c_uint::try_from(data.len()).map_err(|_| CodecError::CorruptVideo)?;
        // SAFETY: the context is live and `data` is readable for its whole length during the call.
        let status = unsafe {
            vpx::vpx_codec_decode(
                &mut *self.context.0,
                data.as_ptr(),
                length,
                ptr::null_mut(),
                0,
            )
        };
        check("vpx_codec_decode", status)?;
        let mut iter = ptr::null();
        // SAFETY: the context is live and `iter` starts at null, as libvpx asks. The image given is
        // valid until the next decode on the context.
        let image = unsafe { vpx::vpx_codec_get_frame(&mut *self.context.0, &mut iter).as_ref() };
        match image {
            Some(image) => copy_image(image, into).map(|()| true),
            None => Ok(false),
        }
    }
}

/// Copies a decoded picture out of libvpx, row by row into the tight layout.
fn copy_image(image: &vpx::vpx_image_t, into: &mut I420Frame) -> Result<(), CodecError> {
    if image.fmt != vpx::vpx_img_fmt_t::VPX_IMG_FMT_I420 {
        return Err(CodecError::CorruptVideo);
    }
    (into.width, into.height) = (image.d_w, image.d_h);
    into.data
        .resize(I420Frame::bytes_for(image.d_w, image.d_h), 0);
    let widths = [
        image.d_w as usize,
        into.chroma_size().0,
        into.chroma_size().0,
    ];
    for (plane, target) in into.planes_mut().into_iter().enumerate() {
        let width = widths[plane];
        for (row, line) in target.chunks_exact_mut(width).enumerate() {
            // SAFETY: libvpx gives each plane `stride` bytes a row for all rows of the displayed
            // size (chroma rounded up), of which the first `width` are pixels. `line` is `width`
            // bytes long and belongs to us, so the two cannot overlap.
            unsafe {
                let source =
                    image.planes[plane].offset(row as isize * image.stride[plane] as isize);
                ptr::copy_nonoverlapping(source, line.as_mut_ptr(), width);
            }
        }
    }
    Ok(())
}
