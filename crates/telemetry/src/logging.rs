//! Log lines in logfmt or JSON, shaped as the reference prints them.
