<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Notes</title>
<link rel="icon" href="data:,">
<h1>Notes</h1>
@yield('content')
</html>
