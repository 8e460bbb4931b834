//! Comparing a sample's buckets with those of the open chunk, and laying them out together.

use model::Span;

/// Buckets of one side of a histogram: layout and absolute counts.
pub(super) type Buckets<'a, T> = (&'a [Span], &'a [T]);

/// How a sample's buckets and a chunk's go together.
#[derive(Debug, PartialEq)]
pub(super) struct Union {
    /// Buckets of both.
    pub(super) spans: Vec<Span>,
    /// The sample has buckets that the chunk has not.
    pub(super) chunk_lacks: bool,
    /// The chunk has buckets that the sample has not.
    pub(super) sample_lacks: bool,
}

/// Joins both layouts. `None` if the sample is of a counter and a bucket has less than before.
pub(super) fn union<T: Copy + PartialOrd + Default>(
    chunk: Buckets<'_, T>,
    sample: Buckets<'_, T>,
    is_counter: bool,
) -> Option<Union> {
    let mut before = indexed(chunk).peekable();
    let mut now = indexed(sample).peekable();
    let mut spans = Spans::default();
    let (mut chunk_lacks, mut sample_lacks) = (false, false);
    loop {
        let index = match (before.peek(), now.peek()) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((index, _)), None) | (None, Some((index, _))) => *index,
            (None, None) => break,
        };
        let old = before.next_if(|(at, _)| *at == index);
        let new = now.next_if(|(at, _)| *at == index);
        chunk_lacks |= old.is_none();
        sample_lacks |= new.is_none();
        let count = |bucket: Option<(i32, T)>| bucket.map_or(T::default(), |(_, count)| count);
        if is_counter && count(new) < count(old) {
            return None;
        }
        spans.push(index);
    }
    Some(Union {
        spans: spans.spans,
        chunk_lacks,
        sample_lacks,
    })
}

/// Counts laid out by `spans`, which have all buckets of `buckets`; the others are empty.
pub(super) fn spread<T: Copy + Default>(buckets: Buckets<'_, T>, spans: &[Span]) -> Vec<T> {
    let mut counts = indexed(buckets).peekable();
    indexes(spans)
        .map(|index| {
            counts
                .next_if(|(at, _)| *at == index)
                .map_or(T::default(), |(_, count)| count)
        })
        .collect()
}

fn indexed<'a, T: Copy>(
    (spans, counts): Buckets<'a, T>,
) -> impl Iterator<Item = (i32, T)> + use<'a, T> {
    indexes(spans).zip(counts.iter().copied())
}

fn indexes(spans: &[Span]) -> impl Iterator<Item = i32> {
    let mut end = 0_i32;
    spans.iter().flat_map(move |span| {
        let first = end.wrapping_add(span.offset);
        end = first.wrapping_add(span.length as i32);
        (0..span.length).map(move |step| first.wrapping_add(step as i32))
    })
}

/// Spans in the making, from ascending indexes.
#[derive(Debug, Default)]
struct Spans {
    spans: Vec<Span>,
    end: i32,
}

impl Spans {
    fn push(&mut self, index: i32) {
        let gap = index.wrapping_sub(self.end);
        match self.spans.last_mut() {
            Some(span) if gap == 0 => span.length += 1,
            _ => self.spans.push(Span {
                offset: gap,
                length: 1,
            }),
        }
        self.end = index.wrapping_add(1);
    }
}
