//! Devices, capture, codecs, processing, playout, recording.
