//! From the tree of an expression to the cheapest way to match it.

use gocompat::regex::syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind, Look};
use gocompat::regex::{Regex, RegexError};

use super::shape::{Glob, Item, Sequence};
use super::{Kind, Plan};

/// Most values that combinations (`(a|b)[0-9]`) may expand to. Plain alternations are not bounded:
/// the expression spells them out.
const COMBINATIONS_MAX: usize = 1024;
/// Most alternatives that are tried one by one.
const ALTERNATIVES_MAX: usize = 32;
/// Most items of a sequence.
const ITEMS_MAX: usize = 256;

/// What is between `^` and `$`, if those enclose the whole expression.
pub(super) fn inside_anchors(hir: &Hir) -> Option<Hir> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    match &**parts {
        [first, inner @ .., last] if is_look(first, Look::Start) && is_look(last, Look::End) => {
            Some(Hir::concat(inner.to_vec()))
        }
        _ => None,
    }
}

/// Finds the plan for `hir`, which has to match all of a text; `compile` makes the engine.
pub(super) fn plan(
    hir: &Hir,
    compile: impl FnOnce() -> Result<Regex, RegexError>,
) -> Result<Plan, RegexError> {
    let parts = parts(hir);
    if let Some(mut literals) = literals_of_all(&parts) {
        literals.sort_unstable();
        literals.dedup();
        let prefix = common_prefix(literals.iter().map(String::as_str)).to_owned();
        return Ok(Plan {
            kind: Kind::Literals(literals),
            prefix,
        });
    }
    let alternatives = alternatives(&parts);
    if alternatives.len() <= ALTERNATIVES_MAX {
        let globs: Option<Vec<Glob>> = alternatives.iter().map(|parts| glob(parts)).collect();
        if let Some(globs) = globs {
            let prefix = common_prefix(globs.iter().map(|glob| glob.prefix.as_str())).to_owned();
            return Ok(Plan {
                kind: Kind::Globs(globs),
                prefix,
            });
        }
        let sequences: Option<Vec<Sequence>> =
            alternatives.iter().map(|parts| sequence(parts)).collect();
        if let Some(sequences) = sequences {
            let prefix = if alternatives.len() == 1 {
                first_literal(&parts)
            } else {
                ""
            };
            return Ok(Plan {
                kind: Kind::Sequences(sequences),
                prefix: prefix.to_owned(),
            });
        }
    }
    let prefix = first_literal(&parts).to_owned();
    let suffix = parts
        .last()
        .and_then(|part| literal(part))
        .unwrap_or("")
        .to_owned();
    let inner = parts
        .get(1..parts.len().saturating_sub(1))
        .unwrap_or_default();
    let contains = inner
        .iter()
        .filter_map(|part| literal(part))
        .max_by_key(|text| text.len());
    let contains = contains.unwrap_or("").to_owned();
    Ok(Plan {
        kind: Kind::Engine {
            regex: compile()?,
            suffix,
            contains,
        },
        prefix,
    })
}

fn is_look(hir: &Hir, look: Look) -> bool {
    matches!(hir.kind(), HirKind::Look(found) if *found == look)
}

/// The parts that follow each other, groups opened, anchors at the ends dropped: the whole text has
/// to match anyway.
fn parts(hir: &Hir) -> Vec<&Hir> {
    let mut parts = Vec::new();
    push_parts(hir, &mut parts);
    while parts.first().is_some_and(|part| is_look(part, Look::Start)) {
        parts.remove(0);
    }
    while parts.last().is_some_and(|part| is_look(part, Look::End)) {
        parts.pop();
    }
    parts
}

/// Groups nest at most as deep as the parser allows.
fn push_parts<'h>(hir: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Capture(capture) => push_parts(&capture.sub, parts),
        HirKind::Concat(subs) => subs.iter().for_each(|sub| push_parts(sub, parts)),
        _ => parts.push(hir),
    }
}

/// The alternatives of an expression that is one alternation, else the expression.
fn alternatives<'h>(parts: &[&'h Hir]) -> Vec<Vec<&'h Hir>> {
    if let [only] = parts
        && let HirKind::Alternation(subs) = only.kind()
    {
        let mut all = Vec::with_capacity(subs.len());
        for sub in subs {
            let mut parts = Vec::new();
            push_parts(sub, &mut parts);
            // An alternation in an alternative is left to the engine.
            all.push(parts);
        }
        return all;
    }
    vec![parts.to_vec()]
}

fn literal(hir: &Hir) -> Option<&str> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok(),
        _ => None,
    }
}

fn first_literal<'h>(parts: &[&'h Hir]) -> &'h str {
    parts.first().and_then(|part| literal(part)).unwrap_or("")
}

/// All texts that `parts` match one after another.
fn literals_of_all(parts: &[&Hir]) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for part in parts {
        let ends = literals(part)?;
        if let [end] = &*ends {
            all.iter_mut().for_each(|text| text.push_str(end));
            continue;
        }
        if let [start] = &*all
            && start.is_empty()
        {
            all = ends;
            continue;
        }
        if all.len().saturating_mul(ends.len()) > COMBINATIONS_MAX {
            return None;
        }
        all = all
            .iter()
            .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
            .collect();
    }
    Some(all)
}

/// All texts that `hir` matches, if they are few.
fn literals(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(_) => Some(vec![literal(hir)?.to_owned()]),
        HirKind::Capture(capture) => literals(&capture.sub),
        HirKind::Concat(_) => {
            let mut parts = Vec::new();
            push_parts(hir, &mut parts);
            literals_of_all(&parts)
        }
        HirKind::Alternation(subs) => {
            let mut all = Vec::with_capacity(subs.len());
            for sub in subs {
                all.append(&mut literals(sub)?);
            }
            Some(all)
        }
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(ClassUnicodeRange::len).sum();
            if count > COMBINATIONS_MAX / 4 {
                return None;
            }
            let characters = class
                .ranges()
                .iter()
                .flat_map(|range| range.start()..=range.end());
            Some(characters.map(String::from).collect())
        }
        HirKind::Repetition(repetition) if (repetition.min, repetition.max) == (0, Some(1)) => {
            let mut all = literals(&repetition.sub)?;
            all.push(String::new());
            Some(all)
        }
        _ => None,
    }
}

/// The least number of characters, if `hir` matches anything of that length or more.
fn gap(hir: &Hir) -> Option<usize> {
    let HirKind::Repetition(repetition) = hir.kind() else {
        return None;
    };
    let any = matches!(repetition.sub.kind(), HirKind::Class(Class::Unicode(class))
        if matches!(class.ranges(), [range] if (range.start(), range.end()) == ('\0', char::MAX)));
    (any && repetition.max.is_none()).then_some(repetition.min as usize)
}

fn glob(parts: &[&Hir]) -> Option<Glob> {
    let mut glob = Glob {
        prefix: String::new(),
        rest: Vec::new(),
    };
    for part in parts {
        match (gap(part), literal(part)) {
            (Some(least), _) => match glob.rest.last_mut() {
                // Two gaps in a row are one.
                Some((before, literal)) if literal.is_empty() => *before += least,
                _ => glob.rest.push((least, String::new())),
            },
            (None, Some(text)) => match glob.rest.last_mut() {
                Some((_, literal)) => literal.push_str(text),
                None => glob.prefix.push_str(text),
            },
            (None, None) => return None,
        }
    }
    Some(glob)
}

fn sequence(parts: &[&Hir]) -> Option<Sequence> {
    let mut sequence = Sequence {
        items: Vec::new(),
        open: None,
    };
    for part in parts {
        // Nothing may follow an open end.
        if sequence.open.is_some() || sequence.items.len() > ITEMS_MAX {
            return None;
        }
        match part.kind() {
            HirKind::Literal(_) => sequence
                .items
                .extend(literal(part)?.chars().map(Item::Exact)),
            HirKind::Class(Class::Unicode(class)) if class.ranges().len() <= 8 => {
                sequence.items.push(Item::Class(class.clone()));
            }
            _ => sequence.open = Some(gap(part)?),
        }
    }
    Some(sequence)
}

/// What all `texts` start with.
fn common_prefix<'t>(mut texts: impl Iterator<Item = &'t str>) -> &'t str {
    let Some(mut prefix) = texts.next() else {
        return "";
    };
    for text in texts {
        let same = prefix
            .char_indices()
            .zip(text.chars())
            .find(|((_, a), b)| a != b);
        let end = same.map_or(prefix.len().min(text.len()), |((at, _), _)| at);
        prefix = prefix.get(..end).unwrap_or("");
    }
    prefix
}
