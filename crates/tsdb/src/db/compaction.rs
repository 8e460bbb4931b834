//! Cutting blocks off the head, and what else changes blocks.

use std::path::Path;

use model::{Matcher, Timestamp};

use super::{Shared, gauges};
use crate::Error;
use crate::block::meta::{Compaction, FROM_OUT_OF_ORDER};
use crate::compact::{Pace, WriteOptions, write_block};
use crate::head::source::HeadSource;

impl Shared {
    /// Cuts and compacts whatever is due.
    pub(super) fn compact(&self) -> Result<(), Error> {
        let _changing = self.changing_blocks.lock();
        let metrics = self.blocks.metrics();
        metrics.triggered.inc();
        let done = self.compact_all();
        // Being closed is no failure.
        if done.is_err() && self.closing.check().is_ok() {
            metrics.failed.inc();
        }
        done
    }

    fn compact_all(&self) -> Result<(), Error> {
        let mut cut_until = None;
        while self.head.is_compactable() && self.closing.check().is_ok() {
            cut_until = Some(self.cut_head()?);
        }
        if let Some(end) = cut_until {
            self.head.truncate_log(end)?;
            self.cut_late()?;
        }
        // Stopping early when the head is due again: appends matter more.
        while self.closing.check().is_ok() && !self.head.is_compactable() {
            if !self
                .blocks
                .compact_blocks(self.head_bytes(), &self.closing)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the directory again and removes what retention ends.
    pub(super) fn reload_blocks(&self) -> Result<(), Error> {
        let _changing = self.changing_blocks.lock();
        self.blocks.reload(self.head_bytes())
    }

    fn head_bytes(&self) -> u64 {
        gauges::head_bytes(&self.dir, self.head.files.bytes())
    }

    /// Makes the oldest range of the head a block; returns its end.
    fn cut_head(&self) -> Result<Timestamp, Error> {
        let head = &self.head;
        let mint = head.min_time().unwrap_or_default();
        let range = head.rules().range_ms;
        // Towards zero, as the borders of chunks are.
        let end = (mint / range).saturating_mul(range).saturating_add(range);
        // Appenders that begin from now on add behind it: the newest sample is far enough ahead.
        head.appenders.wait_for_those_before(end);
        let mut source = HeadSource::new(head.clone(), mint, end.saturating_sub(1));
        let series_count = source.len();
        let written = write_block(
            &self.dir,
            &mut source,
            (mint, end),
            Compaction {
                level: 1,
                ..Compaction::default()
            },
            &self.write_options(),
        )?;
        drop(source);
        if let Some(meta) = &written {
            tracing::info!(
                component = "tsdb",
                mint,
                maxt = end,
                ulid = meta.ulid,
                series = series_count,
                "write block"
            );
        }
        // Whoever begins to read sees the samples in the head or in the block, not in both.
        let switch = |publish: &mut dyn FnMut()| {
            let _view = self.view.write();
            publish();
            head.hide_before(end);
        };
        if written.is_some() {
            self.blocks.reload_within(self.head_bytes(), switch)?;
        } else {
            switch(&mut || ());
        }
        self.blocks.note_cut(end);
        if let Err(err) = head.truncate(end) {
            head.metrics.truncations_failed.inc();
            return Err(err);
        }
        Ok(end)
    }

    /// Makes blocks of the late samples, one a range.
    fn cut_late(&self) -> Result<(), Error> {
        let head = &self.head;
        let Some((last, last_segment)) = head.write_late()? else {
            return Ok(());
        };
        let Some((oldest, newest)) = head.out_of_order.range() else {
            return Ok(());
        };
        let range = head.rules().range_ms;
        let mut begin = oldest.div_euclid(range).saturating_mul(range);
        while begin <= newest {
            self.closing.check()?;
            let end = begin.saturating_add(range);
            let mut source = HeadSource::late(head.clone(), begin, end.saturating_sub(1), last);
            if source.len() > 0 {
                let mut compaction = Compaction {
                    level: 1,
                    ..Compaction::default()
                };
                compaction.hints.push(FROM_OUT_OF_ORDER.to_owned());
                let options = self.write_options();
                write_block(&self.dir, &mut source, (begin, end), compaction, &options)?;
            }
            begin = end;
        }
        // Queries that begin now find the late samples in both places until those before are through.
        self.blocks.reload(self.head_bytes())?;
        head.truncate_late(last);
        self.late_log.truncate(last_segment)
    }

    fn write_options(&self) -> WriteOptions {
        WriteOptions {
            metrics: Some(self.blocks.metrics().compaction.clone()),
            pace: Pace::beside(self.head.readers.clone()),
            cancel: self.closing.clone(),
            ..WriteOptions::default()
        }
    }

    pub(super) fn delete(
        &self,
        mint: Timestamp,
        maxt: Timestamp,
        selectors: &[Vec<Matcher>],
    ) -> Result<(), Error> {
        let _changing = self.changing_blocks.lock();
        for matchers in selectors {
            self.blocks.delete(mint, maxt, matchers)?;
            self.head.delete(mint, maxt, matchers)?;
        }
        Ok(())
    }

    pub(super) fn clean_tombstones(&self) -> Result<(), Error> {
        let _changing = self.changing_blocks.lock();
        self.blocks
            .clean_tombstones(self.head_bytes(), &self.closing)
    }

    pub(super) fn snapshot(&self, dir: &Path, with_head: bool) -> Result<(), Error> {
        let _changing = self.changing_blocks.lock();
        self.blocks.snapshot(dir)?;
        let head = &self.head;
        if with_head && let Some((mint, maxt)) = head.min_time().zip(head.max_time()) {
            head.appenders.wait_for_those_before(Timestamp::MAX);
            let mut source = HeadSource::new(head.clone(), mint, maxt);
            write_block(
                dir,
                &mut source,
                (mint, maxt.saturating_add(1)),
                Compaction {
                    level: 1,
                    ..Compaction::default()
                },
                &self.write_options(),
            )?;
        }
        Ok(())
    }
}
