package crmtest_test

import (
	"context"
	"fmt"
	"slices"

	"crmsync/crm"
)

// Compare implements crm.Comparer, one record at a time.
func (c *memoryClient) Compare(ctx context.Context, o crm.Object, records []crm.Record, fields []string) ([]crm.Current, error) {
	all := make([]crm.Current, len(records))
	for i, r := range records {
		out, err := c.do(ctx, memoryRequest{Verb: "list", ID: r.RemoteID, Object: string(o)})
		if err != nil {
			return nil, err
		}
		now := crm.Current{Fields: map[string]crm.Comparison{}}
		var held map[string]string
		if r.RemoteID != "" && len(out.Found) == 1 {
			now.RemoteID, held = r.RemoteID, out.Found[0].Fields
		}
		for _, name := range fields {
			if v, ok := r.Fields[name]; ok {
				value := fmt.Sprint(v)
				now.Fields[name] = crm.Comparison{
					Change: crm.Change{Field: name, Old: held[name], New: value}, OldForm: held[name], NewForm: value,
				}
			}
		}
		all[i] = now
	}
	switch c.mistake {
	case "comparisons are out of order":
		slices.Reverse(all)
	case "comparisons write":
		if _, err := c.Upsert(ctx, o, records); err != nil {
			return nil, err
		}
	}
	return all, nil
}
