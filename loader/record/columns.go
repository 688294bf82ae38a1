package record

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"leaklab/loader/verdict"
)

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// Column is a column of iterations.csv, and the name of the same value in run.json.
type Column struct {
	Name string
	Unit string // empty for a plain number
	Doc  string
	Part verdict.Part // that the verdict reads from it; empty if it reads none

	field    int  // of Iteration
	digits   int  // after the point
	optional bool // unknown, and so an empty cell, where the field is nil or 0
	needed   bool // a table without it is no record of a run
}

// Columns are the columns of iterations.csv in their order: the fields of Iteration, by their tags, but lists.
func Columns() []Column { return columns() }

// columns reads the tags once: each iteration is written and judged by them.
var columns = sync.OnceValue(func() []Column {
	var all []Column
	for n := range reflect.TypeFor[Iteration]().NumField() {
		field := reflect.TypeFor[Iteration]().Field(n)
		if field.Type.Kind() == reflect.Slice {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		digits, err := strconv.Atoi(field.Tag.Get("digits"))
		if err != nil {
			digits = secondsDigits
		}
		all = append(all, Column{
			Name: name, Unit: field.Tag.Get("unit"), Doc: field.Tag.Get("doc"), Part: verdict.Part(field.Tag.Get("part")),
			field: n, digits: digits, optional: options == "omitempty", needed: field.Tag.Get("needed") == "true",
		})
	}
	return all
})

// secondsDigits is how many digits a fraction has if its tag does not tell: seconds to the microsecond.
const secondsDigits = 6

// cell is the column's text for an iteration.
func (c Column) cell(i Iteration) string {
	field := reflect.ValueOf(i).Field(c.field)
	if c.optional && field.IsZero() {
		return ""
	}
	switch value := reflect.Indirect(field).Interface().(type) {
	case time.Time:
		return value.UTC().Format(timeFormat)
	case float64:
		return strconv.FormatFloat(value, 'f', c.digits, 64)
	case uint64:
		return strconv.FormatUint(value, 10)
	case int64:
		return strconv.FormatInt(value, 10)
	case int:
		return strconv.Itoa(value)
	default:
		panic("record: column " + c.Name + " has a type without a format")
	}
}

// strict tells whether ReadCSV refuses a cell of the column that it cannot read. Of other columns, another program may have
// written them in its way.
func (c Column) strict() bool { return c.needed || c.Part != "" }

// set sets the column's field of an iteration to what a cell holds; false if it holds no such value. A whole number is at
// most largestValue.
func (c Column) set(i *Iteration, cell string) bool {
	field := reflect.ValueOf(i).Elem().Field(c.field)
	kind := field.Type()
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	value := reflect.New(kind)
	switch read := value.Interface().(type) {
	case *time.Time:
		at, err := time.Parse(time.RFC3339, cell)
		if *read = at; err != nil {
			return false
		}
	case *float64:
		number, err := strconv.ParseFloat(cell, 64)
		if *read = number; err != nil {
			return false
		}
	default:
		number, err := strconv.ParseUint(cell, 10, 64)
		if err != nil || number > largestValue {
			return false
		}
		if value.Elem().CanInt() {
			value.Elem().SetInt(int64(number))
		} else {
			value.Elem().SetUint(number)
		}
	}
	if field.Kind() != reflect.Pointer {
		value = value.Elem()
	}
	field.Set(value)
	return true
}

// part returns the column's field of an iteration as the verdict reads it; false if it is not known.
func (c Column) part(i Iteration) (uint64, bool) {
	value := reflect.ValueOf(i).Field(c.field).Interface().(*uint64)
	if value == nil {
		return 0, false
	}
	return *value, true
}
