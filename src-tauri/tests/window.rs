//! The app as a person has it: the real program in a real window on a virtual screen, driven by
//! WebKitWebDriver. One scenario a file; all in one test program, so that windows that do not
//! measure anything run side by side.

mod start;
