//! Matchers to series, and what labels the selected ones have.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use model::{MatchOp, Matcher};

use super::postings::{self, Raw};
use super::reader::Reader;
use super::{IndexError, cut};

/// With fewer values than this part of the selected series, the values' lists are looked at and not
/// the series.
const FEW_VALUES_FACTOR: usize = 64;

/// One matcher, looked up.
struct Term<'a> {
    matcher: &'a Matcher,
    /// Whether series that satisfy the matcher have the label. If not, the term takes away the
    /// series with values that do not match.
    positive: bool,
    /// Positions of the values in question, where they are known without a scan.
    values: Option<Arc<[u32]>>,
    /// Series in question; unknown ones count as many.
    estimate: usize,
}

impl<'a> Term<'a> {
    fn new(index: &Reader, matcher: &'a Matcher) -> Result<Self, IndexError> {
        let positive = !matcher.matches_empty();
        let literals = match (matcher.op, positive, matcher.regex()) {
            (MatchOp::Equal, true, _) | (MatchOp::NotEqual, false, _) => {
                Some(vec![&*matcher.value])
            }
            (MatchOp::Regex, true, Some(regex)) | (MatchOp::NotRegex, false, Some(regex)) => regex
                .literal_set()
                .map(|set| set.iter().map(String::as_str).collect()),
            _ => None,
        };
        let Some(literals) = literals else {
            return Ok(Self {
                matcher,
                positive,
                values: None,
                estimate: usize::MAX,
            });
        };
        let mut values = Vec::with_capacity(literals.len());
        let mut estimate = 0_usize;
        for literal in literals {
            if let Some(position) = index.find_value(&matcher.name, literal)? {
                values.push(position);
                estimate += index.list(position)?.len();
            }
        }
        Ok(Self {
            matcher,
            positive,
            values: Some(values.into()),
            estimate,
        })
    }

    /// Whether a value puts a series among those in question.
    fn concerns(&self, value: &str) -> bool {
        self.matcher.matches(value) == self.positive
    }

    /// Narrows `candidates`; `None` are all series.
    fn apply(&self, index: &Reader, candidates: Option<Vec<u32>>) -> Result<Vec<u32>, IndexError> {
        let range = index.value_range(&self.matcher.name);
        if self.values.is_none()
            && let Some(candidates) = &candidates
            && candidates.len() < range.len()
        {
            return self.filter(index, candidates);
        }
        let values = match &self.values {
            Some(values) => values.clone(),
            None => self.scan(index)?,
        };
        let lists: Result<Vec<&Raw>, IndexError> = values
            .iter()
            .map(|position| index.list(*position))
            .collect();
        let lists = lists?;
        // A series has one value of a name: the lists have no series in common.
        let total: usize = lists.iter().map(|list| list.len()).sum();
        let all = index.all_series()?;
        match (candidates, self.positive) {
            (candidates, true) if total == all.len() => {
                Ok(candidates.unwrap_or_else(|| postings::union(&[all])))
            }
            (None, true) => Ok(postings::union(&lists)),
            (Some(candidates), true) => Ok(match lists.as_slice() {
                [] => Vec::new(),
                [list] => postings::intersect(candidates.as_slice(), *list),
                lists => {
                    postings::intersect(candidates.as_slice(), postings::union(lists).as_slice())
                }
            }),
            (candidates, false) => {
                let mut left = candidates.unwrap_or_else(|| postings::union(&[all]));
                match lists.as_slice() {
                    [] => {}
                    [list] => postings::subtract(&mut left, *list),
                    lists => postings::subtract(&mut left, postings::union(lists).as_slice()),
                }
                Ok(left)
            }
        }
    }

    /// Positions of the values in question, found by looking at all that can be.
    fn scan(&self, index: &Reader) -> Result<Arc<[u32]>, IndexError> {
        let matchers = std::slice::from_ref(self.matcher);
        if let Some(known) = index.values_cache().find(matchers) {
            return Ok(known);
        }
        let mut range = index.value_range(&self.matcher.name);
        let prefix = match (self.matcher.op, self.positive, self.matcher.regex()) {
            (MatchOp::Regex, true, Some(regex)) | (MatchOp::NotRegex, false, Some(regex)) => {
                regex.prefix()
            }
            _ => "",
        };
        if !prefix.is_empty() {
            range.start = index.first_value_not_below(range.clone(), prefix)?;
        }
        let mut found = Vec::new();
        for position in range {
            let position = position as u32;
            let value = index.value(position)?;
            if !value.starts_with(prefix) {
                break;
            }
            if self.concerns(value) {
                found.push(position);
            }
        }
        if self.matcher.regex().is_some() {
            index.values_cache().keep(matchers, &found);
        }
        Ok(found.into())
    }

    /// Tests the label of each candidate, each value once.
    fn filter(&self, index: &Reader, candidates: &[u32]) -> Result<Vec<u32>, IndexError> {
        let name = index.find_symbol(&self.matcher.name)?;
        let absent = self.matcher.matches_empty();
        let mut known: HashMap<u64, bool, FixedState> = HashMap::default();
        let mut kept = Vec::new();
        for series in candidates {
            let matches = match index.label_symbol(*series, name)? {
                None => absent,
                Some(symbol) => match known.get(&symbol) {
                    Some(known) => *known,
                    None => {
                        let value = index.symbol(symbol, *series as usize)?;
                        let matches = self.matcher.matches(value);
                        known.insert(symbol, matches);
                        matches
                    }
                },
            };
            if matches {
                kept.push(*series);
            }
        }
        Ok(kept)
    }
}

impl Reader {
    /// Series that satisfy all matchers, ascending: which is label order.
    pub fn select(&self, matchers: &[Matcher]) -> Result<Vec<u32>, IndexError> {
        if let Some(known) = self.selections_cache().find(matchers) {
            return Ok(known.to_vec());
        }
        let found = self.look_for(matchers)?;
        self.selections_cache().keep(matchers, &found);
        Ok(found)
    }

    fn look_for(&self, matchers: &[Matcher]) -> Result<Vec<u32>, IndexError> {
        let mut terms = Vec::with_capacity(matchers.len());
        for matcher in matchers {
            let term = Term::new(self, matcher)?;
            if term.positive && term.estimate == 0 {
                return Ok(Vec::new());
            }
            terms.push(term);
        }
        // Few series first; what takes away, and what needs a scan, when few are left.
        terms.sort_by_key(|term| (!term.positive, term.estimate));
        let mut rest = terms.as_slice();
        let mut found = None;
        if let [first, second, behind @ ..] = rest
            && let (Some([one]), Some([other])) =
                (first.values.as_deref(), second.values.as_deref())
            && second.positive
        {
            found = Some(postings::intersect(self.list(*one)?, self.list(*other)?));
            rest = behind;
        }
        for term in rest {
            let narrowed = term.apply(self, found)?;
            if narrowed.is_empty() {
                return Ok(narrowed);
            }
            found = Some(narrowed);
        }
        match found {
            Some(found) => Ok(found),
            None => Ok(postings::union(&[self.all_series()?])),
        }
    }

    /// Values of label `name` among the series that satisfy all matchers, sorted.
    pub fn label_values_of(
        &self,
        name: &str,
        matchers: &[Matcher],
    ) -> Result<Vec<&str>, IndexError> {
        let range = self.value_range(name);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let selected = self.select(matchers)?;
        if range.len() < selected.len() / FEW_VALUES_FACTOR {
            let mut values = Vec::new();
            for position in range {
                let list = self.list(position as u32)?;
                if postings::meet(list, selected.as_slice()) {
                    values.push(self.value(position as u32)?);
                }
            }
            return Ok(values);
        }
        let name = self.find_symbol(name)?;
        let mut symbols: HashSet<u64, FixedState> = HashSet::default();
        for series in selected {
            symbols.extend(self.label_symbol(series, name)?);
        }
        self.texts(symbols)
    }

    /// Label names of the series that satisfy all matchers, sorted.
    pub fn label_names_of(&self, matchers: &[Matcher]) -> Result<Vec<&str>, IndexError> {
        let mut symbols: HashSet<u64, FixedState> = HashSet::default();
        for series in self.select(matchers)? {
            let at = self.series_offset(series);
            let mut labels = self.label_symbols(series)?;
            while let Some((name, _)) = labels.next().map_err(cut("series cut short", at))? {
                symbols.insert(name);
            }
        }
        self.texts(symbols)
    }

    fn texts(&self, symbols: HashSet<u64, FixedState>) -> Result<Vec<&str>, IndexError> {
        let texts = symbols.into_iter().map(|symbol| self.symbol(symbol, 0));
        let mut texts = texts.collect::<Result<Vec<&str>, IndexError>>()?;
        texts.sort_unstable();
        Ok(texts)
    }
}

#[cfg(test)]
mod tests;
