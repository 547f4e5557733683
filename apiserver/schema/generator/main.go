// Command generator writes the schema table of the built-in kinds.
//
// It keeps facts only: names, numbers, types and markers of the Go API types, never their prose.
//
//	go run . -table ../table.txt    writes the table
//	go run . -documents DIR         writes documents as Go encodes them, for the round-trip test
//	go run . -testdata              prints the directory of the API module's published documents
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	table := flag.String("table", "", "file to write the schema table to")
	documents := flag.String("documents", "", "directory to write empty and sparse documents to")
	testdata := flag.Bool("testdata", false, "print the directory of the published documents")
	flag.Parse()
	if err := run(*table, *documents, *testdata); err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func run(table, documents string, testdata bool) error {
	kinds, err := servedKinds()
	if err != nil {
		return err
	}
	if testdata {
		dir, err := publishedDocuments()
		if err != nil {
			return err
		}
		fmt.Println(dir)
	}
	if documents != "" {
		if err := writeDocuments(kinds, documents); err != nil {
			return err
		}
	}
	if table == "" {
		return nil
	}
	source, err := readMarkers(packages(kinds))
	if err != nil {
		return err
	}
	walk := newWalk(source)
	for _, kind := range kinds {
		if err := walk.add(kind.goType); err != nil {
			return fmt.Errorf("%s %s: %w", kind.version, kind.name, err)
		}
	}
	return os.WriteFile(table, walk.print(kinds), 0o644)
}
