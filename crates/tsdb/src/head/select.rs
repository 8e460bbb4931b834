//! Matchers to slots.

use std::sync::Arc;

use crate::sync::RwLock;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{MatchOp, Matcher};
use stdx::cancel::CancelToken;
use storage::StorageError;

use super::postings::{NamePostings, Runs};
use super::series::StripCursor;
use super::symbols::{SymbolId, SymbolsView};
use super::{Head, label_sets};

/// With fewer candidates than this part of a label's values, candidates are tested one by one
/// instead of the values.
const LAZY_FACTOR: usize = 4;

/// One matcher, looked up.
struct Term<'a> {
    matcher: &'a Matcher,
    name: SymbolId,
    postings: Arc<RwLock<NamePostings>>,
    /// Whether series that satisfy the matcher have the label. If not, the term takes away the
    /// series with values that do not match.
    positive: bool,
    /// The values in question, where they are known without a scan.
    values: Option<Vec<SymbolId>>,
    /// Series in question; unknown ones count as many.
    estimate: usize,
}

impl<'a> Term<'a> {
    /// `None` for a matcher that concerns no series: a label nobody has.
    fn new(head: &Head, matcher: &'a Matcher, symbols: &SymbolsView<'_>) -> Option<Self> {
        let name = symbols.find(&matcher.name)?;
        let postings = head.postings.name(name)?;
        let positive = !matcher.matches_empty();
        let literals: Option<Vec<SymbolId>> = match (matcher.op, positive, matcher.regex()) {
            (MatchOp::Equal, true, _) | (MatchOp::NotEqual, false, _) => {
                Some(symbols.find(&matcher.value).into_iter().collect())
            }
            (MatchOp::Regex, true, Some(regex)) | (MatchOp::NotRegex, false, Some(regex)) => regex
                .literal_set()
                .map(|texts| texts.iter().filter_map(|text| symbols.find(text)).collect()),
            _ => None,
        };
        let estimate = literals.as_ref().map_or(usize::MAX, |values| {
            let postings = postings.read();
            values
                .iter()
                .map(|value| postings.estimate(*value, symbols))
                .sum()
        });
        Some(Self {
            matcher,
            name,
            postings,
            positive,
            values: literals,
            estimate,
        })
    }

    /// Narrows `candidates` (all series if `None`) by this term.
    fn apply(&self, head: &Head, candidates: Option<Runs>, symbols: &SymbolsView<'_>) -> Runs {
        let postings = self.postings.read();
        if self.values.is_none()
            && let Some(candidates) = &candidates
            && candidates.len() < postings.value_count() / LAZY_FACTOR
        {
            drop(postings);
            return self.filter(head, candidates, symbols);
        }
        let everything = self.matcher.op == MatchOp::NotEqual && self.matcher.value.is_empty();
        let concerned = match &self.values {
            _ if everything && self.positive => postings.all(),
            Some(values) => postings.list(values.iter().copied(), symbols),
            None => {
                let values = postings.values_matching(self.matcher, self.positive, symbols);
                postings.list(values, symbols)
            }
        };
        drop(postings);
        match (candidates, self.positive) {
            (None, true) => concerned,
            (None, false) => Runs::all(head.series.len()).subtract(&concerned),
            (Some(candidates), true) => candidates.intersect(&concerned),
            (Some(candidates), false) => candidates.subtract(&concerned),
        }
    }

    /// Tests the label of each candidate, each value once.
    fn filter(&self, head: &Head, candidates: &Runs, symbols: &SymbolsView<'_>) -> Runs {
        let mut known: HashMap<u32, bool, FixedState> = HashMap::default();
        let mut cursor = StripCursor::default();
        let kept = candidates.iter().filter(|slot| {
            let Some(strip) = head.series.seek(&mut cursor, *slot) else {
                return false;
            };
            match label_sets::value_of(strip.label_set(*slot), self.name) {
                None => !self.positive,
                Some(value) => *known
                    .entry(value.0)
                    .or_insert_with(|| self.matcher.matches(symbols.get(value))),
            }
        });
        Runs::from_sorted(kept)
    }
}

impl Head {
    /// Slots of the series that satisfy all `matchers`, whatever samples they have.
    pub(crate) fn slots(
        &self,
        matchers: &[Matcher],
        cancel: &CancelToken,
    ) -> Result<Runs, StorageError> {
        let symbols = self.symbols.read();
        let mut terms = Vec::with_capacity(matchers.len());
        for matcher in matchers {
            match Term::new(self, matcher, &symbols) {
                Some(term) => terms.push(term),
                // Nobody has the label: fine for those who accept its absence.
                None if matcher.matches_empty() => {}
                None => return Ok(Runs::default()),
            }
        }
        // Additions first, the rarest one leading; then what takes away.
        terms.sort_by_key(|term| (!term.positive, term.estimate));
        let mut candidates = None;
        for term in &terms {
            cancel.check()?;
            let narrowed = term.apply(self, candidates, &symbols);
            if narrowed.is_empty() {
                return Ok(narrowed);
            }
            candidates = Some(narrowed);
        }
        Ok(candidates.unwrap_or_else(|| Runs::all(self.series.len())))
    }
}
