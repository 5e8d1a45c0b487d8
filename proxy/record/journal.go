package record

import (
	"context"
	"log/slog"
)

// Journal writes records as lines of the log, one attribute for each field that has a value.
//
// journald takes 10,000 lines of a service within 30 s (RateLimitBurst= of journald.conf(5),
// as the image has it): the journal is for up to 300 calls a second.
type Journal struct{ log *slog.Logger }

// NewJournal makes the sink.
func NewJournal(log *slog.Logger) *Journal { return &Journal{log} }

// Batch implements Sink. A record that a process was killed over is written again: with one
// at a time, it is one.
func (j *Journal) Batch() int { return 1 }

// Write implements Sink.
func (j *Journal) Write(ctx context.Context, records []Record) error {
	for i := range records {
		r := &records[i]
		attrs := []slog.Attr{slog.String("key", r.Key)}
		text := func(name, v string) {
			if v != "" {
				attrs = append(attrs, slog.String(name, v))
			}
		}
		text("call_id", r.CallID)
		text("caller", r.Caller)
		text("callee", r.Callee)
		text("called", r.Called)
		text("source", r.Source)
		text("listener", r.Listener)
		text("carrier", r.Carrier)
		text("dispatcher", r.Dispatcher)
		text("destination", r.Destination)
		text("began", r.Began.String())
		if r.Answered != nil {
			text("answered", r.Answered.String())
		}
		text("ended", r.Ended.String())
		attrs = append(attrs, slog.Int64("duration_ms", r.DurationMS), slog.Int64("talk_ms", r.TalkMS))
		text("cause", r.Cause)
		if r.Code != 0 {
			attrs = append(attrs, slog.Int("code", r.Code))
		}
		text("ended_by", r.EndedBy)
		if r.Emergency {
			attrs = append(attrs, slog.Bool("emergency", true))
		}
		attrs = append(attrs, slog.Uint64("process", uint64(r.Process)))
		text("cut", r.Cut)
		j.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "call record", attrs...)
	}
	return nil
}

// Tend implements Sink.
func (*Journal) Tend(context.Context) {}

// Stats implements Sink.
func (*Journal) Stats() SinkStats { return SinkStats{Name: "journal"} }

// Close implements Sink.
func (*Journal) Close() error { return nil }
