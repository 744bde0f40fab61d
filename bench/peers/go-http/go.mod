module peer-go-http

go 1.22
