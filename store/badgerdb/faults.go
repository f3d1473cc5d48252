package badgerdb

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// A block that is not as it was written makes the iterator over its table end,
// and Badger keeps the error to itself: rows are missing from a scan, and a get
// finds an older version or none. Here that would spread, since a row which an
// owner shows as absent is removed elsewhere. The iterators remember the error,
// in fields that are not exported; they are read, never written, by reflection.
// The indices are found when the process starts, which fails should a release of
// Badger have renamed them.
var (
	rootIterator = fieldOf[badger.Iterator]("iitr")
	mergeLeft    = fieldOf[table.MergeIterator]("left", "iter")
	mergeRight   = fieldOf[table.MergeIterator]("right", "iter")
	concatParts  = fieldOf[table.ConcatIterator]("iters")
	tableError   = fieldOf[table.Iterator]("err")

	mergeType  = reflect.TypeFor[table.MergeIterator]()
	concatType = reflect.TypeFor[table.ConcatIterator]()
	tableType  = reflect.TypeFor[table.Iterator]()
	endOfTable = reflect.ValueOf(io.EOF).Pointer()
)

// fieldOf gives the index of a field, by the path of its names.
func fieldOf[T any](path ...string) []int {
	var index []int
	t := reflect.TypeFor[T]()
	for _, name := range path {
		f, ok := t.FieldByName(name)
		if !ok {
			panic(fmt.Sprintf("badgerdb: this release of Badger has no %s.%s", t, name))
		}
		index, t = append(index, f.Index...), f.Type
	}
	return index
}

// unread is why part of an iterator's rows could not be read, nil when all could.
func unread(it *badger.Iterator) error {
	return unreadBelow(reflect.ValueOf(it).Elem().FieldByIndex(rootIterator))
}

func unreadBelow(v reflect.Value) error {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Type() {
	case mergeType:
		if err := unreadBelow(v.FieldByIndex(mergeLeft)); err != nil {
			return err
		}
		return unreadBelow(v.FieldByIndex(mergeRight))
	case concatType:
		parts := v.FieldByIndex(concatParts)
		for i := range parts.Len() {
			if err := unreadBelow(parts.Index(i)); err != nil {
				return err
			}
		}
	case tableType:
		return blockError(v.FieldByIndex(tableError))
	}
	return nil // a memory table: its log was verified when it was opened
}

// blockError copies the error of a table's iterator.
func blockError(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	e := v.Elem()
	if e.Kind() == reflect.Pointer && e.Pointer() == endOfTable {
		return nil
	}
	if e.Kind() == reflect.Pointer && e.Elem().Kind() == reflect.Struct && e.Elem().NumField() > 0 && e.Elem().Field(0).Kind() == reflect.String {
		return errors.New(e.Elem().Field(0).String())
	}
	return errors.New("a block cannot be read")
}
