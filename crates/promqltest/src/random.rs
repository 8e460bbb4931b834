//! Random expressions that are well typed, over the series of the conformance kit's data set.
//!
//! They are written as a query file of the kit, which asks the reference and us. What cannot be
//! compared is not written: the order of unsorted vectors where it decides (`topk` over a join),
//! and what the compared version knows otherwise than the one we follow (`conformance/known.tsv`).

mod dice;
mod grammar;
mod metrics;

use std::io::Write;

use dice::Dice;

/// Expressions in one group of the file.
const GROUP_LEN: usize = 500;

/// The command line `[--seed N] [--count N]`: writes a query file of the kit.
pub(crate) fn command(args: &[String], out: &mut dyn Write) -> u8 {
    let number = |name: &str, default: u64| match args.iter().position(|arg| arg == name) {
        Some(at) => args.get(at + 1).and_then(|value| value.parse().ok()),
        None => Some(default),
    };
    let (Some(seed), Some(count)) = (number("--seed", 1), number("--count", 1000)) else {
        return 2;
    };
    u8::from(write(seed, count as usize, out).is_err())
}

/// Writes a query file with `count` expressions. The same seed gives the same file.
fn write(seed: u64, count: usize, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "groups:")?;
    let mut done = 0;
    while done < count {
        let group_seed = seed.wrapping_mul(1_000_003).wrapping_add(done as u64);
        let mut dice = Dice::new(group_seed);
        let instant = dice.one_in(8);
        writeln!(out, "- name: random {group_seed}")?;
        if instant {
            writeln!(out, "  modes: [instant]")?;
        }
        writeln!(out, "  queries:")?;
        for _ in 0..GROUP_LEN.min(count - done) {
            let expr = grammar::query(&mut dice, instant);
            // Single quotes of YAML: only the quote itself is special.
            writeln!(out, "  - '{}'", expr.replace('\'', "''"))?;
        }
        done += GROUP_LEN;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use promql_parser::{ParserOptions, parse_expr};

    use super::*;

    #[test]
    fn all_expressions_are_well_typed() {
        let mut dice = Dice::new(42);
        for round in 0..3000 {
            let expr = grammar::query(&mut dice, round % 2 == 0);
            if let Err(error) = parse_expr(&expr, &ParserOptions::all()) {
                panic!("seed 42, round {round}: {expr}: {error}");
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_file() {
        let file = |seed| {
            let mut text = Vec::new();
            write(seed, 600, &mut text).expect("written");
            text
        };
        assert_eq!(file(7), file(7));
        assert_ne!(file(7), file(8));
    }
}
