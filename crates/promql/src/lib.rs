//! (seam; see ARCHITECTURE.md)
