package external

import (
	"encoding/json"

	"leaklab/loader/load"
)

// siegeObject reads the summary of siege 4.0.5 or later. A failed transaction is a response of status 5xx, or none at
// all. A response of status 4xx is a transaction that is neither successful nor failed. Each redirect that siege follows
// is a transaction too.
func siegeObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "transactions", "successful_transactions", "failed_transactions") {
		return absent
	}
	var transactions, successful, failed uint64
	for key, n := range map[string]*uint64{"transactions": &transactions, "successful_transactions": &successful, "failed_transactions": &failed} {
		if json.Unmarshal(object[key], n) != nil || *n > mostRequests {
			return implausible
		}
	}
	if !counts.got(0, transactions+failed) {
		return implausible
	}
	counts.note(load.Other, failed+transactions-min(transactions, successful))
	return found
}
