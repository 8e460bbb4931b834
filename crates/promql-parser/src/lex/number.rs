//! Numbers and durations.
//!
//! Scanned loosely: what passes here can still be refused when its value is computed, with another
//! error text. The loose rules are the reference's, because they decide which of the two is shown.

use super::{Lexer, is_alphanumeric};

impl Lexer<'_> {
    /// Moves behind a number; false if there is none, then the position is where it failed.
    pub(super) fn scan_number(&mut self) -> bool {
        let begin = self.pos;
        let mut digits = "0123456789";
        if self.accept("0") && self.accept("xX") {
            self.accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        self.accept(".");
        self.accept(digits);
        self.scan_rest_of_number(digits)
            && self.pos > begin
            && !self.peek().is_some_and(is_alphanumeric)
    }

    fn scan_rest_of_number(&mut self, digits: &str) -> bool {
        let hexadecimal = digits.len() > 10;
        let (mut dot, mut exponent) = (false, false);
        while let Some(next) = self.peek() {
            match next {
                '.' => {
                    self.bump();
                    if dot || self.accept("_.") || hexadecimal {
                        return false;
                    }
                    dot = true;
                }
                'e' | 'E' => {
                    self.bump();
                    if exponent {
                        return false;
                    }
                    exponent = true;
                    self.accept("+-");
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.bump();
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ if digits.contains(next) => while self.accept(digits) {},
                _ => break,
            }
        }
        true
    }

    /// Moves behind the units and further parts of a duration whose first number has been read.
    pub(super) fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        // `ms`. Units such as `hs` are refused when the value is computed.
        self.accept("s");
        while self.accept("0123456789") {
            while self.accept("0123456789") {}
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        if self.peek().is_some_and(is_alphanumeric) {
            // Part of the text that the error shows.
            self.bump();
            return false;
        }
        true
    }
}
