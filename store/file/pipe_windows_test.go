package file_test

func makePipe(string) error { return nil }
