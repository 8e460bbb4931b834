//! Torn and damaged logs.
