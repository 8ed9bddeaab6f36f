@extends('page')
@section('content')
<form method="post" action="/login">
  @csrf
  <input name="username"> <input name="password" type="password"> <button>Sign in</button>
</form>
<!-- sign-in page -->
@endsection
