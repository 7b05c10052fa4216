//! The app as a person has it: the real program in a real window on a virtual screen, driven by
//! WebKitWebDriver. One scenario a file; all in one test program, so that windows that do not
//! measure anything run side by side.

mod accessibility;
mod desk;
mod devices;
mod fit;
mod guest;
mod host;
mod joining;
mod keyboard;
mod lost;
mod old_friends;
mod problems;
mod screens;
mod sound;
mod start;
mod stays_here;
mod talk;
mod tile_socket;
